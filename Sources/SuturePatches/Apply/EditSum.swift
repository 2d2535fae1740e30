import Foundation
import SutureFormats

/// The sum of edits of one tensor, as it is added to the original: all at once, rounded once.
///
/// `new = round_to_type(float32(original + Σ scale * delta))`, the sum in float64 in the order of the patches' ids, so
/// that it does not depend on the order of application. An element whose sum is zero keeps its bytes.
struct EditSum: Sendable {
    struct Term: Sendable {
        let edit: Edit
        /// Of the patch, times that of the edit.
        let scale: Double
        /// The id of the patch.
        let patch: String
    }

    let type: StorageType
    let shape: [Int]
    /// In the order of the ids of the patches that they come from.
    let terms: [Term]

    /// How many elements are worked on at once.
    static let chunk = 1 << 16

    /// Whether a term does not say what was there before, so that the whole tensor must be kept.
    var needsOriginal: Bool { terms.contains { $0.edit.original == nil } }

    /// Puts the stored originals back into some elements.
    func restore(_ range: Range<Int>, in bytes: UnsafeMutableRawBufferPointer) throws {
        try forEachStored(in: range) { _, target, stored in
            UnsafeMutableRawBufferPointer(rebasing: bytes[target]).copyBytes(from: stored)
        }
    }

    /// Holds the stored originals against some elements of the base.
    ///
    /// - Throws: ``PatchError`` with `badPayload` that names the patch.
    func checkStored(_ range: Range<Int>, in bytes: UnsafeRawBufferPointer) throws {
        try forEachStored(in: range) { term, target, stored in
            guard UnsafeRawBufferPointer(rebasing: bytes[target]).elementsEqual(stored) else {
                throw PatchError(
                    .badPayload, "the originals in the patch are not those of its base", subject: term.edit.tensor,
                    found: term.patch, hint: "do not trust this patch")
            }
        }
    }

    private func forEachStored(
        in range: Range<Int>, _ body: (Term, _ target: Range<Int>, _ stored: ArraySlice<UInt8>) throws -> Void
    ) throws {
        let width = type.width
        for term in terms {
            guard let original = term.edit.original else { continue }
            // Columns jump through what is stored: read it at once where it is small.
            let all =
                original.bytes.count <= TensorBytes.chunkSize ? try original.bytes.bytes(0..<original.bytes.count) : nil
            try term.edit.delta.forEachRun(in: range, shape: shape) { elements, position in
                let source = position * width..<(position + elements.count) * width
                let stored = try all?[source] ?? original.bytes.bytes(source)[...]
                let start = (elements.lowerBound - range.lowerBound) * width
                try body(term, start..<start + elements.count * width, stored)
            }
        }
    }

    /// Adds the sum to some elements of the original, in place; tells how many changed.
    ///
    /// - Parameter sums: room for as many numbers.
    /// - Throws: ``PatchError`` with `overflow` for an element that is finite before and not after.
    func add(
        to bytes: UnsafeMutableRawBufferPointer, _ range: Range<Int>, sums: UnsafeMutableBufferPointer<Double>
    ) throws -> Int {
        let sums = UnsafeMutableBufferPointer(rebasing: sums[..<range.count])
        sums.update(repeating: 0)
        for term in terms { try term.edit.delta.add(term.scale, of: range, shape: shape, to: sums) }
        let (changed, overflow) = Self.add(sums, to: bytes, type)
        if let overflow {
            let element = range.lowerBound + overflow
            let place =
                shape.count == 2 ? "row \(element / shape[1]), column \(element % shape[1])" : "element \(element)"
            throw Self.overflow(terms.first?.edit.tensor, type, "infinity in \(place)")
        }
        return changed
    }

    static func overflow(_ tensor: String?, _ type: StorageType, _ found: String) -> PatchError {
        PatchError(
            .overflow, "the patched weight is too large for its type", subject: tensor,
            expected: "a finite \(type.rawValue)", found: found, hint: "use a smaller scale")
    }

    /// Adds a number to each element, in place, and rounds it to the type; where it is zero the bytes stay.
    ///
    /// - Returns: how many elements changed, and the first that is finite before and not after.
    static func add(
        _ sums: UnsafeMutableBufferPointer<Double>, to bytes: UnsafeMutableRawBufferPointer, _ type: StorageType
    ) -> (changed: Int, overflow: Int?) {
        // So few at once that they stay in the nearest cache.
        let block = 1 << 11
        var (changed, overflow) = (0, Int?.none)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * block) { room in
            for start in stride(from: 0, to: sums.count, by: block) {
                let range = start..<min(start + block, sums.count)
                let before = UnsafeMutableBufferPointer(rebasing: room[..<range.count])
                let after = UnsafeMutableBufferPointer(rebasing: room[block..<block + range.count])
                let target = UnsafeMutableRawBufferPointer(
                    rebasing: bytes[range.lowerBound * type.width..<range.upperBound * type.width])
                type.load(.init(target), into: before)
                add(.init(rebasing: sums[range]), to: before, after)
                type.store(.init(after), in: target)
                type.load(.init(target), into: after)
                let found = compare(before, after)
                changed += found.changed
                if found.overflows, overflow == nil {
                    overflow = (0..<range.count).first { before[$0].isFinite && !after[$0].isFinite }.map { start + $0 }
                }
            }
        }
        return (changed, overflow)
    }

    // Loops without branches, so that the compiler makes vectors of them.

    private static func add(
        _ sums: UnsafeBufferPointer<Double>, to before: UnsafeMutableBufferPointer<Float>,
        _ after: UnsafeMutableBufferPointer<Float>
    ) {
        for index in 0..<sums.count {
            let sum = sums[index]
            after[index] = sum == 0 ? before[index] : Float(Double(before[index]) + sum)
        }
    }

    private static func compare(
        _ before: UnsafeMutableBufferPointer<Float>, _ after: UnsafeMutableBufferPointer<Float>
    ) -> (changed: Int, overflows: Bool) {
        var (changed, overflows) = (UInt32(0), UInt32(0))
        for index in 0..<before.count {
            let (old, new) = (before[index], after[index])
            changed &+= old < new || old > new ? 1 : 0
            overflows |= (old.isFinite ? 1 : 0) & (new.isFinite ? 0 : 1)
        }
        return (Int(changed), overflows != 0)
    }
}
