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
        // One loop for each type, so that the type is not looked at for every element.
        switch type {
        case .float32: add(sums, to: bytes, Float.init(bitPattern:), rounded: { $0.bitPattern })
        case .bfloat16:
            add(sums, to: bytes, { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }, rounded: { $0.bfloat16 })
        default: add(sums, to: bytes, Float.init(float16:), rounded: { $0.float16 })
        }
    }

    /// Without branches, so that the compiler makes vectors of it.
    @inline(__always)
    private static func add<Bits: FixedWidthInteger>(
        _ sums: UnsafeMutableBufferPointer<Double>, to bytes: UnsafeMutableRawBufferPointer,
        _ value: (Bits) -> Float, rounded: (Float) -> Bits
    ) -> (changed: Int, overflow: Int?) {
        let width = Bits.bitWidth / 8
        var (changed, overflow) = (Int32(0), Int32.max)
        for index in 0..<sums.count {
            let before = bytes.loadUnaligned(fromByteOffset: index * width, as: Bits.self)
            let original = value(before)
            let new = rounded(Float(Double(original) + sums[index]))
            bytes.storeBytes(of: sums[index] == 0 ? before : new, toByteOffset: index * width, as: Bits.self)
            changed += sums[index] != 0 && value(new) != original ? 1 : 0
            overflow = min(overflow, original.isFinite && !value(new).isFinite ? Int32(index) : .max)
        }
        return (Int(changed), overflow == .max ? nil : Int(overflow))
    }
}
