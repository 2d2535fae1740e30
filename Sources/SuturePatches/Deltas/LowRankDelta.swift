import SutureFormats

/// The product of two thin matrices, as LoRA adapters have it: `delta[i, j] = Σ_k b[i, k] * a[k, j]`, k ascending.
struct LowRankDelta: Delta {
    /// `[rank, in]`
    let a: PayloadTensor
    /// `[out, rank]`
    let b: PayloadTensor

    var kind: Edit.Kind { .lowRank }
    var rank: Int { a.shape.first ?? 0 }
    var summary: String { "rank \(rank)" }
    var payload: [(key: ByteString, tensor: PayloadTensor)] { [("a", a), ("b", b)] }

    func check(against base: BaseTensor, subject: String) throws {
        try checkMatrix(base, subject: subject)
        guard rank > 0 else { throw PatchError(.badPayload, "the rank is zero", subject: subject) }
        try checkPayload(a, shape: [rank, base.shape[1]], subject: subject)
        try checkPayload(b, shape: [base.shape[0], rank], subject: subject)
    }

    var isNonzero: Bool { a.hasNonzero && b.hasNonzero }

    func add(_ scale: Double, of range: Range<Int>, shape: [Int], to sums: UnsafeMutableBufferPointer<Double>) throws {
        let (width, rank) = (shape[1], rank)
        let rows = range.lowerBound / width..<(range.upperBound + width - 1) / width
        let a = try a.floats()
        let b = try b.floats(rows.lowerBound * rank..<rows.upperBound * rank)
        var line = [Double](repeating: 0, count: width)
        a.withUnsafeBufferPointer { a in
            line.withUnsafeMutableBufferPointer { line in
                for row in rows {
                    let columns = (row * width..<(row + 1) * width).clamped(to: range)
                    let first = columns.lowerBound - row * width
                    let count = columns.count
                    line.update(repeating: 0)
                    for k in 0..<rank {
                        let factor = Double(b[(row - rows.lowerBound) * rank + k])
                        let source = k * width + first
                        for column in 0..<count { line[column] += factor * Double(a[source + column]) }
                    }
                    let target = columns.lowerBound - range.lowerBound
                    for column in 0..<count { sums[target + column] += scale * line[column] }
                }
            }
        }
    }
}
