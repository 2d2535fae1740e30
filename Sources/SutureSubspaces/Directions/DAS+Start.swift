import SutureModels
import SutureTensor

extension DAS {
    /// The columns `[width, k]` that learning starts from; `pulls` is called where gradients choose them.
    ///
    /// Throws ``SubspaceError`` for more directions than there are dimensions.
    func initial(width: Int, _ pulls: () throws -> (gradients: Tensor, differences: Tensor)) throws -> Tensor {
        guard (1...width).contains(directions) else {
            throw SubspaceError(
                .badRequest, "there are not as many directions", expected: "1...\(width)",
                found: "\(directions)")
        }
        switch start {
        case .random: return try Self.orthonormal(RandomSource(seed: seed).normal([width, directions]))
        case .firstOrder:
            let (gradients, differences) = try pulls()
            return try Self.steepest(gradients, differences, count: directions)
        }
    }

    /// The columns V `[width, count]` along which patches lower a loss most to first order.
    ///
    /// A patch of D_i = source - base along V changes the loss by about sum_i g_i^T V V^T D_i, where g_i is the
    /// gradient at the base: a quadratic form of V, least for the lowest eigenvectors of its symmetric part.
    ///
    /// - Parameters:
    ///   - gradients: g, `[rows, width]`.
    ///   - differences: D, `[rows, width]`.
    ///   - count: how many columns.
    static func steepest(_ gradients: Tensor, _ differences: Tensor, count: Int) throws -> Tensor {
        var (gradients, differences) = (try gradients.to(.float64), try differences.to(.float64))
        let width = gradients.shape[1]
        // The form lives in the span of all rows: a frame of it is smaller than the whole space where pairs are few.
        var frame: Tensor?
        if max(count, 2 * gradients.shape[0]) < width {
            frame = try Tensor.concatenated([gradients, differences], 0).transposed().qr().q
        }
        if let frame { (gradients, differences) = (try gradients.matmul(frame), try differences.matmul(frame)) }
        let form = try gradients.transposed().matmul(differences)
        let doubled = try form + form.transposed()
        // Shifted by its largest eigenvalue or more and turned around: the lowest are then the first singular vectors.
        let size = try Tensor.arange(0..<doubled.shape[0])
        let identity = try (size.unsqueezed(0) .== size.unsqueezed(1)).to(.float64)
        let vectors = try (identity * doubled.reshaped([-1]).norm() - doubled).svd().u.narrowed(1, 0..<count)
        return try (frame?.matmul(vectors) ?? vectors).to(.float32)
    }

    /// The gradient of each pair's loss at the base's value there, `[rows, width]`: batch by batch, without pairs of
    /// equal prompts.
    func gradients(_ runs: PairedRuns, at location: Location) throws -> Tensor {
        let width = location.site.width(in: runs.model.architecture)
        let parts = try Self.moving(runs).flatMap { batch, rows in
            try stride(from: 0, to: rows.count, by: batchSize).map { start in
                let some = Array(rows[start..<min(start + batchSize, rows.count)])
                let positions = try batch.positions(location.tokens, some)
                let count =
                    switch positions {
                    case .last, .each: 1
                    case .at(let indices): indices.count
                    case .all: batch.pairs[0].base.count
                    }
                let leaf = try Tensor.zeros([some.count, count, width]).tracked()
                let change = Intervention(location.site, at: positions, .add(leaf))
                let loss = try loss(batch.trace.replay(prompts: some, [change]).logits, batch, some)
                return try loss.gradients(of: [leaf])[0].reshaped([-1, width])
            }
        }
        return try Tensor.concatenated(parts, 0)
    }

    /// source - base of the pairs there, `[rows, width]`, in the order of ``gradients(_:at:)``.
    static func differences(_ runs: PairedRuns, at location: Location) throws -> Tensor {
        let width = location.site.width(in: runs.model.architecture)
        let parts = try moving(runs).map { batch, rows in
            try (batch.source(location) - batch.base(location)).indexSelected(0, at: rows).reshaped([-1, width])
        }
        return try Tensor.concatenated(parts, 0)
    }

    /// The rows of each batch that a patch can change. Throws ``SubspaceError`` where there are none.
    static func moving(_ runs: PairedRuns) throws -> [(batch: PairBatch, rows: [Int])] {
        let all = runs.batches.map { batch in
            (batch, batch.pairs.indices.filter { !batch.pairs[$0].hasEqualPrompts })
        }.filter { !$0.1.isEmpty }
        guard !all.isEmpty else { throw SubspaceError(.badRequest, "base and source are the same in every pair") }
        return all
    }
}
