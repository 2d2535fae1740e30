import SutureTensor

/// Attention whose heads each read a stream of their own.
///
/// Inputs are `[heads, batch, positions, width]`, as before the layer's norm: of some heads in a row, or of one that all
/// share. Heads that share keys and values (grouped-query attention) share the projection, not the stream.
extension Forward {
    /// What heads ask, `[batch, heads, positions, head width]`.
    func queries(_ layer: Int, _ heads: Range<Int>, reading inputs: Tensor) throws -> Tensor {
        let weights = try model.weights.layer(layer)
        let own = try projected(layer, heads, inputs, weights.query, groups: model.architecture.heads)
        return try rotation(of: layer).turned(weights.queryNorm?(own) ?? own)
    }

    /// The keys that heads see, each its own, `[batch, heads, positions, head width]`.
    func keys(_ layer: Int, _ heads: Range<Int>, reading inputs: Tensor) throws -> Tensor {
        let weights = try model.weights.layer(layer)
        let own = try projected(layer, heads, inputs, weights.key, groups: model.architecture.keyValueHeads)
        return try rotation(of: layer).turned(weights.keyNorm?(own) ?? own)
    }

    /// The values that they see, likewise.
    func values(_ layer: Int, _ heads: Range<Int>, reading inputs: Tensor) throws -> Tensor {
        try projected(
            layer, heads, inputs, model.weights.layer(layer).value, groups: model.architecture.keyValueHeads)
    }

    /// What heads read by these, behind what a prefix holds for all groups, `[batch, heads, positions, head width]`.
    func read(
        _ layer: Int, _ heads: Range<Int>, queries: Tensor, keys: Tensor, values: Tensor, prefix: KeyValues?
    ) throws -> Tensor {
        let own = KeyValues(keys: keys, values: values)
        let groups = heads.map { group(of: $0) }
        let before = try prefix.map {
            KeyValues(
                keys: try $0.keys.indexSelected(1, at: groups), values: try $0.values.indexSelected(1, at: groups))
        }
        return try mix(layer, queries, before?.appending(own) ?? own, mask(of: layer))
    }

    /// The group of heads, sharing keys and values, that a head is in.
    private func group(of head: Int) -> Int {
        head / (model.architecture.heads / model.architecture.keyValueHeads)
    }

    private func projected(
        _ layer: Int, _ heads: Range<Int>, _ inputs: Tensor, _ linear: Weights.Linear, groups: Int
    ) throws -> Tensor {
        let architecture = model.architecture
        let normed = try model.weights.layer(layer).attentionNorm?(inputs) ?? inputs
        let (batch, positions, width) = (inputs.shape[1], inputs.shape[2], architecture.headWidth)
        let size = architecture.heads / groups
        guard inputs.shape[0] > 1 || heads.count == 1 else {
            return try split(linear(normed.squeezed(0)), groups).indexSelected(1, at: heads.map { $0 / size })
        }
        // All heads of some groups, or one head: a product for each group.
        let used = heads.lowerBound / size..<(heads.upperBound - 1) / size + 1
        let matrices = try linear.weight.reshaped([groups, width, -1]).narrowed(0, used)
        var own = try normed.reshaped([used.count, -1, inputs.shape[3]]).matmul(matrices.transposed())
        if let bias = linear.bias { own = try own + bias.reshaped([groups, 1, width]).narrowed(0, used) }
        return try own.reshaped([heads.count, batch, positions, width]).transposed(0, 1)
    }
}

extension LanguageModel {
    /// What each head of a layer writes to the residual stream, `[heads, batch, positions, width]`, by what all of them read,
    /// `[batch, positions, heads x head width]`.
    package func written(_ layer: Int, heads read: Tensor) throws -> Tensor {
        let (count, width) = (architecture.heads, architecture.headWidth)
        let (batch, positions) = (read.shape[0], read.shape[1])
        let weight = try weights.layer(layer).output.weight
        let matrices = try weight.reshaped([weight.shape[0], count, width]).permuted([1, 2, 0])
        let own = try read.reshaped([batch * positions, count, width]).transposed(0, 1)
        return try own.matmul(matrices).reshaped([count, batch, positions, weight.shape[0]])
    }

    /// What the MLP of a layer writes for the stream `[..., width]` that it reads.
    package func mlpOutput(_ layer: Int, reading stream: Tensor) throws -> Tensor {
        try weights.layer(layer).down(hidden(layer, mlpInput(layer: layer, stream: stream)))
    }
}
