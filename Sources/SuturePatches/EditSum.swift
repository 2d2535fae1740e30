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
    static let chunk = 1 << 18

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
        // One loop for each type, so that the type is not looked at for every element.
        let (changed, overflow) =
            switch type {
            case .float32: Self.add(sums, to: bytes, .float32)
            case .bfloat16: Self.add(sums, to: bytes, .bfloat16)
            default: Self.add(sums, to: bytes, .float16)
            }
        if let overflow { throw self.overflow(at: range.lowerBound + overflow) }
        return changed
    }

    @inline(__always)
    private static func add(
        _ sums: UnsafeMutableBufferPointer<Double>, to bytes: UnsafeMutableRawBufferPointer, _ type: StorageType
    ) -> (changed: Int, overflow: Int?) {
        var changed = 0
        for index in 0..<sums.count where sums[index] != 0 {
            let original = type.load(UnsafeRawBufferPointer(bytes), at: index)
            type.store(Float(Double(original) + sums[index]), in: bytes, at: index)
            let new = type.load(UnsafeRawBufferPointer(bytes), at: index)
            if original.isFinite, !new.isFinite { return (changed, index) }
            if new != original { changed += 1 }
        }
        return (changed, nil)
    }

    private func overflow(at element: Int) -> PatchError {
        let place =
            shape.count == 2 ? "row \(element / shape[1]), column \(element % shape[1])" : "element \(element)"
        return PatchError(
            .overflow, "the patched weight is too large for its type", subject: terms.first?.edit.tensor,
            expected: "a finite \(type.rawValue)", found: "infinity in \(place)", hint: "use a smaller scale")
    }
}
