import SutureTensor

extension Tensor {
    /// Attention whose scores are bounded: cap * tanh(scores / cap), as in Gemma 2; the engine's own has no such step.
    static func attention(
        queries: Tensor, _ seen: KeyValues, mask: Tensor?, scale: Double, cap: Double
    ) throws -> Tensor {
        let weights = try attentionWeights(queries: queries, keys: seen.keys, mask: mask, scale: scale, cap: cap)
        return try weights.matmul(seen.values.unsqueezed(2)).reshaped(queries.shape)
    }

    /// How much each query attends to each key, `[batch, key-value heads, heads that share them, queries, keys]`; of
    /// `[batch, heads, positions, head width]`, the last query being that of the last key.
    static func attentionWeights(
        queries: Tensor, keys: Tensor, mask: Tensor?, scale: Double, cap: Double?
    ) throws -> Tensor {
        let shape = queries.shape
        let (columns, width) = (shape[2], shape[3])
        let (count, shared) = (keys.shape[1], keys.shape[2])
        // Heads that share keys stand side by side.
        let grouped = try queries.reshaped([shape[0], count, shape[1] / count, columns, width])
        var scores = try grouped.matmul(keys.unsqueezed(2).transposed(3, 4)) * (scale / (cap ?? 1))
        if let cap { scores = try scores.tanh() * cap }
        let first = shared - columns
        let allowed =
            try mask
            ?? (Tensor.arange(0..<shared, device: queries.device).unsqueezed(0)
                .<= Tensor.arange(first..<shared, device: queries.device).unsqueezed(1))
        let hidden = try (allowed.to(.float32) - 1) * 1e30
        return try (scores + hidden).softmax()
    }
}
