import SutureTensor

/// The tensors of a decoder, each in its place.
struct Weights: Sendable {
    struct Linear: Sendable {
        /// `[out, in]`, whatever the checkpoint's orientation: a transposed view costs nothing.
        var weight: Tensor
        var bias: Tensor?

        func callAsFunction(_ input: Tensor) throws -> Tensor { try input.linear(weight, bias: bias) }

        func callAsFunction(_ input: Tensor, times factor: Tensor) throws -> Tensor {
            try input.linear(weight, bias: bias, times: factor)
        }

        func callAsFunction(_ input: Tensor, plus term: Tensor) throws -> Tensor {
            try input.linear(weight, bias: bias, plus: term)
        }
    }

    struct Norm: Sendable {
        var kind: Architecture.Norm
        var epsilon: Double
        var gain: Tensor
        var bias: Tensor?

        func callAsFunction(_ input: Tensor) throws -> Tensor {
            switch kind {
            case .rms: try input.rmsNorm(gain: gain, epsilon: epsilon)
            case .layer: try input.layerNorm(gain: gain, bias: bias, epsilon: epsilon)
            }
        }
    }

    struct Layer: Sendable {
        var attentionNorm: Norm
        var query, key, value, output: Linear
        var queryNorm, keyNorm: Norm?
        var mlpNorm: Norm
        var gate: Linear?
        var up, down: Linear
    }

    var embedding: Tensor
    var positions: Tensor?
    var layers: [Layer]
    var finalNorm: Norm
    var head: Linear

    /// Takes the tensors that `architecture` names out of a checkpoint's, checking every shape.
    ///
    /// Layers of `old` weights that have none of the `changed` tensors are taken as they are: some are copies.
    init(
        _ architecture: Architecture, _ tensors: [String: Tensor], sharing old: Weights? = nil,
        changed: Set<String> = []
    ) throws {
        let reader = Reader(architecture: architecture, tensors: tensors)
        let width = architecture.width
        let queries = architecture.heads * architecture.headWidth
        let keys = architecture.keyValueHeads * architecture.headWidth
        let names = architecture.tensors

        embedding = try reader.tensor(names.name(names.embedding), [architecture.vocabulary, width])
        positions = try names.positions.map { try reader.tensor(names.name($0), [architecture.contextLength, width]) }
        layers = try (0..<architecture.layers).map { layer in
            if let old, names.tensors(ofLayer: layer).isDisjoint(with: changed) { return old.layers[layer] }
            return Layer(
                attentionNorm: try reader.norm(names.attentionNorm, layer),
                query: try reader.linear(names.query, layer, from: width, to: queries),
                key: try reader.linear(names.key, layer, from: width, to: keys),
                value: try reader.linear(names.value, layer, from: width, to: keys),
                output: try reader.linear(names.output, layer, from: queries, to: width),
                queryNorm: try names.queryNorm.map { try reader.norm($0, layer, width: architecture.headWidth) },
                keyNorm: try names.keyNorm.map { try reader.norm($0, layer, width: architecture.headWidth) },
                mlpNorm: try reader.norm(names.mlpNorm, layer),
                gate: try names.gate.map { try reader.linear($0, layer, from: width, to: architecture.hiddenWidth) },
                up: try reader.linear(names.up, layer, from: width, to: architecture.hiddenWidth),
                down: try reader.linear(names.down, layer, from: architecture.hiddenWidth, to: width))
        }
        finalNorm = try reader.norm(names.finalNorm, 0)
        let scores = [architecture.vocabulary]
        head = Linear(
            weight: architecture.tiedHead
                ? embedding : try reader.tensor(names.head.tensor + ".weight", scores + [width]),
            bias: names.head.bias ? try reader.tensor(names.head.tensor + ".bias", scores) : nil)
    }

    private struct Reader {
        let architecture: Architecture
        let tensors: [String: Tensor]

        func tensor(_ name: String, _ shape: [Int]) throws -> Tensor {
            guard let tensor = tensors[name] else {
                throw ModelError(
                    .badWeights, "a tensor of the architecture is missing", subject: name, expected: "\(shape)")
            }
            guard tensor.shape == shape else {
                throw ModelError(
                    .badWeights, "the tensor has another shape than the configuration asks for", subject: name,
                    expected: "\(shape)", found: "\(tensor.shape)")
            }
            return tensor
        }

        /// A norm over `width` channels, by default those of the residual stream.
        func norm(_ template: String, _ layer: Int, width: Int? = nil) throws -> Norm {
            let name = architecture.tensors.name(template, layer: layer)
            let shape = [width ?? architecture.width]
            let gain = try tensor(name + ".weight", shape)
            return Norm(
                kind: architecture.norm, epsilon: architecture.epsilon,
                gain: architecture.gainOffset == 0 ? gain : try gain + architecture.gainOffset,
                bias: architecture.norm == .layer ? try tensor(name + ".bias", shape) : nil)
        }

        func linear(_ projection: TensorNames.Projection, _ layer: Int, from input: Int, to output: Int) throws
            -> Linear
        {
            let name = architecture.tensors.name(projection.tensor, layer: layer)
            let stored = projection.part?.stored(output) ?? output
            let shape = projection.orientation == .outIn ? [stored, input] : [input, stored]
            var weight = try tensor(name + ".weight", shape)
            var bias = projection.bias ? try tensor(name + ".bias", [stored]) : nil
            if projection.orientation == .inOut { weight = try weight.transposed() }
            if let part = projection.part {
                weight = try weight.taking(part)
                bias = try bias?.taking(part)
            }
            return Linear(weight: weight, bias: bias)
        }
    }
}

extension Tensor {
    /// The rows of a part. Those of one block are a view; those of several are copied, for the products to be fast.
    fileprivate func taking(_ part: TensorNames.Part) throws -> Tensor {
        let stretch = part.start..<part.start + part.count
        guard shape[0] != part.block else { return try narrowed(0, stretch) }
        let rest = Array(shape.dropFirst())
        return try reshaped([-1, part.block] + rest).narrowed(1, stretch).reshaped([-1] + rest)
    }
}
