import SutureFormats

/// The direction in which a base came from where it started, and how much of it is taken off a difference.
///
/// With s = base - start and d = tuned - base, what is left is d - (<d,s> / <s,s>) s, the part of d orthogonal to s. It
/// is also that of tuned - start, which differs from d by s. Where the base is the start, nothing is taken off.
struct Rejection: Sendable {
    /// The base, which is hashed while the direction is measured.
    let base: BaseTensor
    private let start: Checkpoint.Tensor
    private let startBytes: TensorBytes
    private let factor: Double

    /// Measures the direction; all sums are in float64.
    init(of pair: TensorPair, from start: Checkpoint.Tensor, _ startBytes: TensorBytes) throws {
        self.start = start
        self.startBytes = startBytes
        var digest = Digest(labeled: pair.base.type, pair.base.shape)
        var (along, square) = (0.0, 0.0)
        try EditWriter.forEachChunk(of: pair.count) { range in
            try Self.withFloats(start, startBytes, pair, range) { bytes, started, before, after in
                digest.update(bytes)
                let sums = LaneSums.add(count: range.count) { index in
                    let step = Double(before[index]) - Double(started[index])
                    return ((Double(after[index]) - Double(before[index])) * step, step * step)
                }
                along += sums.0
                square += sums.1
            }
        }
        base = BaseTensor(type: pair.base.type, shape: pair.base.shape, digest: digest)
        factor = square == 0 ? 0 : along / square
    }

    /// Taken in float64 and rounded once.
    func differences(of pair: TensorPair, _ range: Range<Int>) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            let values = UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
            try Self.withFloats(start, startBytes, pair, range) { _, started, before, after in
                for index in 0..<values.count {
                    let (from, by) = (Double(started[index]), Double(before[index]))
                    values[index] = Float(Double(after[index]) - by - factor * (by - from))
                }
            }
            initialized = range.count
        }
    }

    /// Hands over some elements of the three models, and the bytes of those of the base.
    @inline(__always)
    private static func withFloats(
        _ start: Checkpoint.Tensor, _ startBytes: TensorBytes, _ pair: TensorPair, _ range: Range<Int>,
        _ body: (_ base: UnsafeRawBufferPointer, _ started: Floats, _ before: Floats, _ after: Floats) -> Void
    ) throws {
        let width = pair.base.type.width
        let bytes = try pair.baseBytes.bytes(range.lowerBound * width..<range.upperBound * width)
        let (started, after) = try (
            startBytes.floats(range, start.type), pair.tunedBytes.floats(range, pair.tuned.type)
        )
        bytes.withUnsafeBytes { bytes in
            let before = pair.base.type.floats(bytes)
            started.withUnsafeBufferPointer { started in
                before.withUnsafeBufferPointer { before in
                    after.withUnsafeBufferPointer { body(bytes, started, before, $0) }
                }
            }
        }
    }

    private typealias Floats = UnsafeBufferPointer<Float>
}
