import SutureTensor

extension LanguageModel {
    /// How the score of a token, less that of another, reads the stream that leaves the last layer: the score of a
    /// vector x there is `direction` `[width]` . x * ``finalScale(of:)`` + `constant`, before a bound on scores.
    ///
    /// The last norm's gain times the difference of the two rows of the head, centered where the norm centers. Throws
    /// ``ModelError`` with code `outOfRange` for a token that is not in the vocabulary.
    public func scoreReading(of token: Int, less other: Int? = nil) throws -> (direction: Tensor, constant: Double) {
        let tokens = [token, other].compactMap(\.self)
        /// Of what there is for each of the tokens.
        func difference(_ rows: Tensor) throws -> Tensor {
            let row = try rows.selected(0, 0).to(.float64)
            return tokens.count > 1 ? try row - rows.selected(0, 1).to(.float64) : row
        }
        let row = try difference(headRows(of: tokens)) * architecture.logitScale
        var constant =
            try weights.head.bias.map {
                try difference($0.indexSelected(0, at: tokens)).item() * architecture.logitScale
            } ?? 0
        if let bias = weights.finalNorm.bias { constant += try (row * bias.to(.float64)).sum().item() }
        let read = try row * finalGain.to(.float64)
        return (architecture.norm == .layer ? try read - read.mean() : read, constant)
    }

    /// The factor by which the last norm scales a residual vector `[width]`: one over its root mean square, or over its
    /// deviation where the norm centers.
    public func finalScale(of residual: Tensor) throws -> Double {
        let vector = try residual.to(.float64)
        let centered = architecture.norm == .layer ? try vector - vector.mean() : vector
        return 1 / (try centered.square().mean().item() + architecture.epsilon).squareRoot()
    }
}
