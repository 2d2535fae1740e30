import SutureModels
import SutureTensor

extension CircuitRuns {
    /// What corrupting each edge alone does to the logit difference, a mean over pairs: no estimate.
    ///
    /// The receiver is computed anew for each of its senders, and a replay takes what it writes through what lies above it.
    /// `edges` names those that are patched; others get 0. All are patched without it.
    public func patched(
        _ edges: Set<Int>? = nil, progress: ProgressHandler = { _, _, _ in }
    ) throws -> EdgeScores {
        var sums = [Double](repeating: 0, count: graph.edgeCount)
        let all = pairs.count * (edges?.count ?? graph.edgeCount)
        var done = 0
        progress("patching the edges", 0, all)
        try Tensor.withoutGradients {
            for batch in batches {
                let changes = try batch.changes()
                let clean = try batch.differences(batch.clean.logits)
                for row in batch.pairs.indices {
                    let own = try changes.selected(1, row)
                    for group in graph.groups {
                        for part in 0..<group.parts {
                            let start = group.start + part * group.senders
                            let wanted = (0..<group.senders).filter { edges?.contains(start + $0) ?? true }
                            for slice in wanted.chunks(of: Self.alternatives) {
                                let found = try effects(
                                    batch, row, group, part, of: own.indexSelected(0, at: slice))
                                for (sender, value) in zip(slice, found) { sums[start + sender] += value - clean[row] }
                                done += slice.count
                                progress("patching the edges", done, all)
                            }
                        }
                    }
                }
            }
        }
        return EdgeScores(graph, sums.map { Float($0 / Double(pairs.count)) })
    }

    /// How many edges share a replay.
    private static let alternatives = 64

    /// The logit differences of a pair when a receiver reads each of some changes `[changes, positions, width]`.
    private func effects(
        _ batch: CircuitBatch, _ row: Int, _ group: CircuitGraph.Group, _ part: Int, of changes: Tensor
    ) throws -> [Double] {
        let count = changes.shape[0]
        let stream = try batch.stream(group.reader, in: batch.clean).narrowed(0, row..<row + 1) + changes
        let tokens = [batch.pairs[row].answer, batch.pairs[row].other]
        func difference(_ scores: Tensor) throws -> [Double] {
            try (scores.selected(1, 0) - scores.selected(1, 1)).elements()
        }
        let change: Intervention
        let places = Intervention.Positions.at(Array(batch.columns))
        switch group.reader {
        case .queries(let layer), .keys(let layer), .values(let layer):
            let read = try batch.clean.head(
                layer, part, prompt: row, from: batch.first, reading: group.reader, stream)
            change = Intervention(.head(layer: layer, index: part), at: places, .replace(read))
        case .mlp(let layer):
            // Behind the layer, so that its MLP is not run twice.
            let own = try batch.clean[.mlpOut(layer)].narrowed(0, row..<row + 1).narrowed(1, batch.columns)
            change = Intervention(
                .residual(layer + 1), at: places, .add(try model.mlpOutput(layer, reading: stream) - own))
        case .logits:
            return try difference(
                model.logits(ofResidual: stream.selected(1, batch.columns.count - 1), of: tokens))
        }
        let prompts = Array(repeating: row, count: count)
        return try difference(batch.clean.replay(prompts: prompts, [change], logits: .lastOf(tokens)).logits)
    }
}

extension [Int] {
    /// Parts of at most that many.
    fileprivate func chunks(of size: Int) -> [[Int]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
    }
}
