import SutureTensor

/// Two thin matrices whose product is near a matrix.
struct LowRankFactors {
    /// `[rank, in]`
    let a: [Float]
    /// `[out, rank]`
    let b: [Float]
    let rank: Int

    /// The factors of the lowest rank whose error is at most `tolerance` of the Frobenius norm, or nil if that takes
    /// more than `maximumRank` or more numbers than the matrix has.
    ///
    /// Small matrices by SVD; large ones by the randomized range finder with two power iterations (Halko, Martinsson,
    /// Tropp, 0909.4061), whose samples are doubled until they hold enough.
    init?(_ values: [Float], shape: [Int], tolerance: Double, maximumRank: Int) throws {
        let (rows, columns) = (shape[0], shape[1])
        // Beyond that the factors have as many numbers as the matrix.
        let limit = min(maximumRank, rows * columns / (rows + columns))
        guard limit > 0 else { return nil }
        let matrix = try Tensor(values, shape: shape)
        let total = values.reduce(0) { $0 + Double($1) * Double($1) }
        var samples = min(rows, columns) <= 1024 ? min(rows, columns) : 64
        while true {
            let isWhole = samples >= min(rows, columns)
            let (u, s, vt) = try isWhole ? matrix.svd() : Self.randomized(matrix, samples: samples)
            let singular = try s.elements(as: Double.self)
            if let rank = Self.rank(singular, total: total, tolerance: tolerance) {
                guard rank <= limit else { return nil }
                let root = try s.narrowed(0, 0..<rank).sqrt()
                a = try (vt.narrowed(0, 0..<rank) * root.unsqueezed(1)).contiguous().floats()
                b = try (u.narrowed(1, 0..<rank) * root.unsqueezed(0)).contiguous().floats()
                self.rank = rank
                return
            }
            guard !isWhole, samples < 2 * limit else { return nil }
            samples *= 2
        }
    }

    /// The least number of singular values whose squares sum up to enough.
    private static func rank(_ singular: [Double], total: Double, tolerance: Double) -> Int? {
        var rest = total
        // What rounding leaves of a sum of squares is no part of the matrix.
        let enough = max(tolerance * tolerance, 1e-12) * total
        for (index, value) in singular.enumerated() {
            rest -= value * value
            if rest <= enough { return index + 1 }
        }
        return nil
    }

    private static func randomized(_ matrix: Tensor, samples: Int) throws -> (u: Tensor, s: Tensor, vt: Tensor) {
        let transposed = try matrix.transposed()
        var range = try matrix.matmul(RandomSource(seed: 1).normal([matrix.shape[1], samples])).qr().q
        for _ in 0..<2 {
            range = try matrix.matmul(transposed.matmul(range).qr().q).qr().q
        }
        let (u, s, vt) = try range.transposed().matmul(matrix).svd()
        return (try range.matmul(u), s, vt)
    }
}
