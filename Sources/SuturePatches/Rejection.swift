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
            let (started, before, after) = try Self.floats(start, startBytes, pair, range)
            for index in 0..<range.count {
                let step = Double(before[index]) - Double(started[index])
                along += (Double(after[index]) - Double(before[index])) * step
                square += step * step
            }
        }
        factor = square == 0 ? 0 : along / square
    }

    /// Taken in float64 and rounded once.
    func differences(of pair: TensorPair, _ range: Range<Int>) throws -> [Float] {
        let (started, before, after) = try Self.floats(start, startBytes, pair, range)
        return (0..<range.count).map { index in
            let (from, by) = (Double(started[index]), Double(before[index]))
            return Float(Double(after[index]) - by - factor * (by - from))
        }
    }

    private static func floats(
        _ start: Checkpoint.Tensor, _ startBytes: TensorBytes, _ pair: TensorPair, _ range: Range<Int>
    ) throws -> (started: [Float], before: [Float], after: [Float]) {
        try (
            startBytes.floats(range, start.type), pair.baseBytes.floats(range, pair.base.type),
            pair.tunedBytes.floats(range, pair.tuned.type)
        )
    }
}
