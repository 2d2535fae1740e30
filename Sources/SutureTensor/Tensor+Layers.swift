import CTorch

// What networks are made of.
extension Tensor {
    /// `x W^T + b`: `[..., in]` with a weight `[out, in]` and a bias `[out]` gives `[..., out]`.
    public func linear(_ weight: Tensor, bias: Tensor? = nil) throws(TensorError) -> Tensor {
        try Tensor(torch.linear(handle, weight.handle, bias?.handle), "linear", [self, weight, bias])
    }

    /// The same with a weight that is not kept for gradients: `again` gives it once more when one is computed.
    public func linear(
        _ weight: Tensor, bias: Tensor? = nil, again: @escaping () throws -> Tensor
    ) throws(TensorError) -> Tensor {
        let source = Unmanaged.passRetained(WeightSource(again)).toOpaque()
        return try Tensor(
            torch.linear_again(
                handle, weight.handle, bias?.handle,
                { Unmanaged<WeightSource>.fromOpaque($0!).takeUnretainedValue().handle() },
                { Unmanaged<WeightSource>.fromOpaque($0!).release() }, source),
            "linear", [self, weight, bias])
    }

    /// Where a weight comes from again.
    private final class WeightSource {
        private let weight: () throws -> Tensor

        init(_ weight: @escaping () throws -> Tensor) { self.weight = weight }

        /// A handle of the caller's own; nil for an error.
        func handle() -> OpaquePointer? { (try? weight()).flatMap { torch.detach($0.handle) } }
    }

    /// `silu(x W^T + b)`: as ``linear(_:bias:)``, in one pass where it can be.
    public func linearSilu(_ weight: Tensor, bias: Tensor? = nil) throws(TensorError) -> Tensor {
        try Tensor(torch.linear_silu(handle, weight.handle, bias?.handle), "linearSilu", [self, weight, bias])
    }

    /// `factor * (x W^T + b)`, in one pass where it can be.
    public func linear(_ weight: Tensor, bias: Tensor? = nil, times factor: Tensor) throws(TensorError) -> Tensor {
        try Tensor(
            torch.linear_times(handle, weight.handle, bias?.handle, factor.handle), "linear",
            [self, weight, bias, factor])
    }

    /// `term + x W^T + b`, in one pass where it can be.
    public func linear(_ weight: Tensor, bias: Tensor? = nil, plus term: Tensor) throws(TensorError) -> Tensor {
        try Tensor(
            torch.linear_plus(handle, weight.handle, bias?.handle, term.handle), "linear", [self, weight, bias, term])
    }

    /// `x W^T` with a matrix `[out, in]` in the blocks of a GGUF file: `[..., in]` gives `[..., out]`, without gradients.
    ///
    /// Each row of the matrix is read once, and made float32 only in the processor's caches.
    ///
    /// - Parameters:
    ///   - blocks: the whole matrix, as it is stored.
    ///   - type: a type that ``multiplies(blocksOf:columns:)``, by its number in a file.
    ///   - order: which stored row each row is; nil where they stand in order.
    ///   - rows: how many rows there are.
    package func linear(
        blocks: UnsafeRawBufferPointer, type: UInt32, order: [Int64]?, rows: Int
    ) throws(TensorError) -> Tensor {
        let columns = Int64(shape.last ?? 0)
        let result = order.map {
            $0.withUnsafeBufferPointer {
                torch.block_linear(handle, blocks.baseAddress, Int32(type), $0.baseAddress, Int64(rows), columns)
            }
        }
        return try Tensor(
            result ?? torch.block_linear(handle, blocks.baseAddress, Int32(type), nil, Int64(rows), columns),
            "linear", [self])
    }

    /// Whether ``linear(blocks:type:order:rows:)`` takes blocks of this type, in rows of so many values.
    package static func multiplies(blocksOf type: UInt32, columns: Int) -> Bool {
        torch.block_suits(Int32(type), Int64(columns))
    }

    /// The rows of this `[vocabulary, width]` table at `ids` (int64).
    public func embedding(_ ids: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.embedding(handle, ids.handle), "embedding", [self, ids])
    }

    /// `exp(x) / sum(exp(x))` along `dim`.
    public func softmax(_ dim: Int = -1) throws(TensorError) -> Tensor {
        try Tensor(torch.softmax(handle, Int64(dim)), "softmax(\(dim))", [self])
    }

    /// The logarithm of ``softmax(_:)``, without overflow.
    public func logSoftmax(_ dim: Int = -1) throws(TensorError) -> Tensor {
        try Tensor(torch.log_softmax(handle, Int64(dim)), "logSoftmax(\(dim))", [self])
    }

    /// `(x - mean) / sqrt(variance + epsilon) * gain + bias` over the last dimension.
    public func layerNorm(gain: Tensor?, bias: Tensor?, epsilon: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.layer_norm(handle, gain?.handle, bias?.handle, epsilon), "layerNorm", [self, gain, bias])
    }

    /// `x / sqrt(mean(x^2) + epsilon) * gain` over the last dimension.
    public func rmsNorm(gain: Tensor?, epsilon: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.rms_norm(handle, gain?.handle, epsilon), "rmsNorm", [self, gain])
    }

    /// Scaled dot-product attention of queries `[batch, heads, positions, width]` over keys and values
    /// `[batch, groups, keys, width]`; `mask` is boolean (true = may see) or added to the scores.
    public static func attention(
        queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor? = nil, causal: Bool = false, scale: Double
    ) throws(TensorError) -> Tensor {
        let grouped = queries.shape.count == 4 && keys.shape.count == 4 && queries.shape[1] != keys.shape[1]
        return try Tensor(
            torch.attention(queries.handle, keys.handle, values.handle, mask?.handle, causal, scale, grouped),
            "attention",
            [queries, keys, values, mask])
    }

    /// The mean cross-entropy of logits `[n, classes]` against class indices `[n]` (int64).
    public func crossEntropy(_ targets: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.cross_entropy(handle, targets.handle), "crossEntropy", [self, targets])
    }
}
