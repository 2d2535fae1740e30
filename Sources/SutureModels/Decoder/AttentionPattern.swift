import SutureTensor

extension LanguageModel {
    /// How much each token of a prompt attends to each, in every head of a layer: `[heads, queries, keys]`, rows that sum
    /// to 1.
    ///
    /// softmax(scale * q . k) over the keys that a query may see, bounded first where the model bounds it. Throws
    /// ``ModelError`` for a prompt that does not fit the model, or a layer that it does not have.
    public func attentionPattern(_ tokens: [Int], layer: Int) throws -> Tensor {
        try attentionPatterns(tokens, layers: [layer])[0]
    }

    /// The same of several layers, in one run.
    public func attentionPatterns(_ tokens: [Int], layers: [Int]) throws -> [Tensor] {
        try Tensor.withoutGradients {
            let run = try run([tokens], capturing: layers.flatMap { [.queries($0), .keys($0)] }, logits: .none)
            let positions = 0..<tokens.count
            return try layers.map { layer in
                func split(_ site: Site, _ heads: Int) throws -> Tensor {
                    try run[site].reshaped([1, tokens.count, heads, architecture.headWidth]).transposed(1, 2)
                }
                let window = architecture.isWindowed(layer) ? architecture.window : nil
                let weights = try Tensor.attentionWeights(
                    queries: split(.queries(layer), architecture.heads),
                    keys: split(.keys(layer), architecture.keyValueHeads),
                    mask: Forward.mask(positions, window: window, device: device),
                    scale: architecture.attentionScale(layer), cap: architecture.attentionCap)
                return try weights.reshaped([architecture.heads, tokens.count, tokens.count])
            }
        }
    }
}
