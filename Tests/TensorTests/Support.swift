import SutureTensor
import Testing

/// Whether a tensor holds these numbers, up to `tolerance` times the larger of 1 and the number.
func expect(
    _ tensor: Tensor, _ expected: [Double], shape: [Int]? = nil, tolerance: Double = 1e-12, _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let found = try tensor.elements(as: Double.self)
    if let shape { #expect(tensor.shape == shape, comment, sourceLocation: sourceLocation) }
    try #require(found.count == expected.count, comment, sourceLocation: sourceLocation)
    for (a, b) in zip(found, expected) {
        let isEqual = a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * max(1, abs(b))
        #expect(isEqual, "\(comment?.description ?? "") \(found) is not \(expected)", sourceLocation: sourceLocation)
        if !isEqual { return }
    }
}

/// The largest difference between two tensors of one shape.
func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
    try #require(a.shape == b.shape, "shapes differ: \(a.shape) and \(b.shape)")
    return try (a - b).abs().max().item()
}

/// Normal numbers in float64.
func normal(_ shape: [Int], seed: UInt64 = 1) throws -> Tensor {
    try RandomSource(seed: seed).normal(shape).to(.float64)
}

/// What a call threw, as the user reads it; nil if it threw nothing.
func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return "\(error)"
    }
}

/// A matrix product in plain Swift, row-major `[rows, inner]` by `[inner, columns]`.
func product(_ a: [Double], _ b: [Double], rows: Int, inner: Int, columns: Int) -> [Double] {
    (0..<rows * columns).map { index in
        (0..<inner).reduce(0) { $0 + a[index / columns * inner + $1] * b[$1 * columns + index % columns] }
    }
}
