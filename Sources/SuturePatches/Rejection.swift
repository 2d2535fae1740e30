import SutureFormats

/// The direction in which a base came from where it started, and how much of it is taken off a difference.
///
/// With s = base - start and d = tuned - base, what is left is d - (<d,s> / <s,s>) s, the part of d orthogonal to s. It
/// is also that of tuned - start, which differs from d by s. Where the base is the start, nothing is taken off.
struct Rejection: Sendable {
    private let start: Checkpoint.Tensor
    private let startBytes: TensorBytes
    private let factor: Double

    /// Measures the direction; all sums are in float64.
    init(of pair: TensorPair, from start: Checkpoint.Tensor, _ startBytes: TensorBytes) throws {
        self.start = start
        self.startBytes = startBytes
        var (along, square) = (0.0, 0.0)
        try EditWriter.forEachChunk(of: pair.count) { range in
            try Self.withFloats(start, startBytes, pair, range) { started, before, after in
                for index in 0..<range.count {
                    let step = Double(before[index]) - Double(started[index])
                    along += (Double(after[index]) - Double(before[index])) * step
                    square += step * step
                }
            }
        }
        factor = square == 0 ? 0 : along / square
    }

    /// Taken in float64 and rounded once.
    func differences(of pair: TensorPair, _ range: Range<Int>) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: range.count) { values, initialized in
            try Self.withFloats(start, startBytes, pair, range) { started, before, after in
                for index in 0..<range.count {
                    let (from, by) = (Double(started[index]), Double(before[index]))
                    values[index] = Float(Double(after[index]) - by - factor * (by - from))
                }
            }
            initialized = range.count
        }
    }

    /// Hands over some elements of the three models.
    private static func withFloats(
        _ start: Checkpoint.Tensor, _ startBytes: TensorBytes, _ pair: TensorPair, _ range: Range<Int>,
        _ body: (_ started: Floats, _ before: Floats, _ after: Floats) -> Void
    ) throws {
        let (started, before, after) = try (
            startBytes.floats(range, start.type), pair.baseBytes.floats(range, pair.base.type),
            pair.tunedBytes.floats(range, pair.tuned.type)
        )
        started.withUnsafeBufferPointer { started in
            before.withUnsafeBufferPointer { before in
                after.withUnsafeBufferPointer { body(started, before, $0) }
            }
        }
    }

    private typealias Floats = UnsafeBufferPointer<Float>
}
