import Foundation
import SutureFormats

/// One way through a tensor, piece by piece: what is there, what was there before any patch, what is to be there.
///
/// On the way the original is hashed and held against the base, and what is there against the original with the patches
/// that it should have. Nothing of it is to be trusted before the pass is over.
struct TensorPass: Sendable {
    let name: String
    let base: BaseTensor
    /// What the checkpoint has.
    let current: TensorBytes
    /// The whole original, where the snapshot keeps it.
    let kept: TensorBytes?
    /// What is in the current bytes.
    let present: EditSum?
    /// What is wanted.
    let wanted: EditSum?

    /// What a pass found.
    struct Outcome: Sendable {
        /// How many elements are wanted to differ from the original.
        var changed = 0
        /// What is not as it should be; then what was handed over is of no use.
        var difference: BaseDifference?
    }

    /// Goes through the tensor.
    ///
    /// - Parameters:
    ///   - original: is given the pieces of the original, with the offset of each.
    ///   - new: is given the pieces of what is wanted.
    /// - Throws: ``PatchError`` for a patch that does not fit the base though its digest does; what the closures throw.
    func run(
        original: (Int, UnsafeRawBufferPointer) throws -> Void = { _, _ in },
        new: (Int, UnsafeRawBufferPointer) throws -> Void = { _, _ in }
    ) throws -> Outcome {
        let width = base.type.width
        let count = current.count / width
        let room = min(count, EditSum.chunk)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 3 * room * width, alignment: 64)
        let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: room)
        defer {
            buffer.deallocate()
            sums.deallocate()
        }
        var outcome = Outcome()
        var isDrifted = false
        // What goes wrong on a wrong base is no news: it is told only if the base turns out to be the right one.
        var failure: PatchError?
        var digest = Digest(labeled: base.type, base.shape)
        for start in stride(from: 0, to: count, by: EditSum.chunk) {
            let range = start..<min(start + EditSum.chunk, count)
            let (offset, size) = (start * width, range.count * width)
            func part(_ number: Int) -> UnsafeMutableRawBufferPointer {
                UnsafeMutableRawBufferPointer(rebasing: buffer[number * room * width..<number * room * width + size])
            }
            let (now, before, after) = (part(0), part(1), part(2))
            try (kept ?? current).read(at: offset, into: before)
            do {
                if let present {
                    if kept == nil {
                        now.copyMemory(from: .init(before))
                        try present.restore(range, in: before)
                    } else {
                        try current.read(at: offset, into: now)
                    }
                    after.copyMemory(from: .init(before))
                    _ = try present.add(to: after, range, sums: sums)
                    // What was changed by other means would be lost without a word.
                    isDrifted = isDrifted || !after.hasSameBytes(as: now)
                }
                after.copyMemory(from: .init(before))
                if let wanted {
                    try wanted.checkStored(range, in: .init(before))
                    outcome.changed += try wanted.add(to: after, range, sums: sums)
                }
            } catch let error as PatchError {
                failure = failure ?? error
            }
            digest.update(.init(before))
            try original(offset, .init(before))
            try new(offset, .init(after))
        }
        let found = BaseTensor(type: base.type, shape: base.shape, digest: digest, isAbsent: base.isAbsent)
        outcome.difference = base.difference(to: found, named: name)
        if outcome.difference == nil, isDrifted {
            outcome.difference = BaseDifference(
                tensor: name, expected: "the base with its patches", found: "other values in patched places")
        }
        if outcome.difference == nil, let failure { throw failure }
        return outcome
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func hasSameBytes(as other: UnsafeMutableRawBufferPointer) -> Bool {
        guard count == other.count, let a = baseAddress, let b = other.baseAddress else { return count == other.count }
        return memcmp(a, b, count) == 0
    }
}
