import SutureSubspaces

// Whether results from files have the shapes that pages are drawn from.

extension SweepMap {
    var isWhole: Bool {
        let width = columns.count
        guard !cells.isEmpty, width > 0, cells.allSatisfy({ $0.count == width }) else { return false }
        if let intervals, intervals.count != cells.count || !intervals.allSatisfy({ $0.count == width }) {
            return false
        }
        guard rows.map({ $0.count == cells.count }) ?? true else { return false }
        return neurons.map { $0.count == cells.count && $0.allSatisfy { $0.count == width } } ?? true
    }
}

extension Lens {
    var isWhole: Bool {
        let (rows, layers) = (logitLens.cells, attribution.mlp.count)
        guard rows.count == layers + 1, layers > 0, attribution.attention.count == layers, !logitLens.tokens.isEmpty,
            rows.allSatisfy({ $0.count == logitLens.tokens.count })
        else { return false }
        guard let heads = attribution.heads else { return true }
        return heads.count == layers && heads.allSatisfy { !$0.isEmpty && $0.count == heads[0].count }
    }
}

extension AttentionView {
    var isWhole: Bool {
        patterns.allSatisfy { pattern in
            pattern.weights.count == tokens.count && pattern.weights.allSatisfy { $0.count == tokens.count }
        }
    }
}
