import SutureTensor

extension Tensor {
    /// Attention whose scores are bounded: cap * tanh(scores / cap), as in Gemma 2; the engine's own has no such step.
    static func attention(
        queries: Tensor, _ seen: KeyValues, mask: Tensor?, scale: Double, cap: Double
    ) throws -> Tensor {
        let shape = queries.shape
        let (columns, width) = (shape[2], shape[3])
        let (count, shared) = (seen.keys.shape[1], seen.keys.shape[2])
        // Heads that share keys stand side by side.
        let grouped = try queries.reshaped([shape[0], count, shape[1] / count, columns, width])
        let keys = try seen.keys.unsqueezed(2)
        let scores = try (grouped.matmul(keys.transposed(3, 4)) * (scale / cap)).tanh() * cap
        let first = shared - columns
        let allowed =
            try mask
            ?? (Tensor.arange(0..<shared, device: queries.device).unsqueezed(0)
                .<= Tensor.arange(first..<shared, device: queries.device).unsqueezed(1))
        let hidden = try (allowed.to(.float32) - 1) * 1e30
        let mixed = try (scores + hidden).softmax().matmul(seen.values.unsqueezed(2))
        return try mixed.reshaped(shape)
    }
}
