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
        var attentionNorm, attentionOutNorm: Norm?
        var query, key, value, output: Linear
        var queryNorm, keyNorm: Norm?
        var mlpNorm, mlpOutNorm: Norm?
        var gate: Linear?
        var up, down: Linear
        /// The same object in all models that share the layer.
        let mark = Mark()
    }

    final class Mark: Sendable {}

    var embedding: Tensor
    var positions: Tensor?
    var layers: [Layer]
    var finalNorm: Norm
    var head: Linear
    /// The same object in all models that share embeddings, last norm and head.
    let ends: Mark

    /// Takes the tensors that `architecture` names out of a checkpoint's, checking every shape.
    ///
    /// Layers of `old` weights that have none of the `changed` tensors are taken as they are: some are copies.
    init(
        _ architecture: Architecture, _ tensors: [String: Tensor], sharing old: Weights? = nil,
        changed: Set<String> = []
    ) throws {
        let names = architecture.tensors
        let kept = (0..<architecture.layers).map { layer in
            old.flatMap { names.tensors(ofLayer: layer).isDisjoint(with: changed) ? $0.layers[layer] : nil }
        }
        let isSame = architecture.neededTensors(in: []).allSatisfy { !changed.contains($0.name) }
        ends = isSame ? old?.ends ?? Mark() : Mark()
        for needed in architecture.neededTensors(in: kept.indices.filter { kept[$0] == nil }) {
            guard let tensor = tensors[needed.name] else { throw needed.missing }
            try needed.check(tensor.shape)
        }
        let reader = Reader(architecture: architecture, tensors: tensors)
        embedding = try reader.tensor(names.name(names.embedding))
        positions = try names.positions.map { try reader.tensor(names.name($0)) }
        layers = try kept.enumerated().map { layer, kept in
            try kept
                ?? Layer(
                    attentionNorm: names.attentionNorm.map { try reader.norm($0, layer) },
                    attentionOutNorm: names.attentionOutNorm.map { try reader.norm($0, layer) },
                    query: reader.linear(names.query, layer),
                    key: reader.linear(names.key, layer),
                    value: reader.linear(names.value, layer),
                    output: reader.linear(names.output, layer),
                    queryNorm: names.queryNorm.map { try reader.norm($0, layer) },
                    keyNorm: names.keyNorm.map { try reader.norm($0, layer) },
                    mlpNorm: names.mlpNorm.map { try reader.norm($0, layer) },
                    mlpOutNorm: names.mlpOutNorm.map { try reader.norm($0, layer) },
                    gate: names.gate.map { try reader.linear($0, layer) },
                    up: reader.linear(names.up, layer),
                    down: reader.linear(names.down, layer))
        }
        finalNorm = try reader.norm(names.finalNorm, 0)
        head = Linear(
            weight: architecture.tiedHead ? embedding : try reader.tensor(names.head.tensor + ".weight"),
            bias: names.head.bias ? try reader.tensor(names.head.tensor + ".bias") : nil)
    }

    private struct Reader {
        let architecture: Architecture
        /// Those that are needed were found to be there, each of its shape.
        let tensors: [String: Tensor]

        func tensor(_ name: String) throws -> Tensor {
            guard let tensor = tensors[name] else {
                throw ModelError(.badWeights, "a tensor of the architecture is missing", subject: name)
            }
            return tensor
        }

        func norm(_ template: String, _ layer: Int) throws -> Norm {
            let name = architecture.tensors.name(template, layer: layer)
            let gain = try tensor(name + ".weight")
            return Norm(
                kind: architecture.norm, epsilon: architecture.epsilon,
                gain: architecture.gainOffset == 0 ? gain : try gain + architecture.gainOffset,
                bias: architecture.norm == .layer ? try tensor(name + ".bias") : nil)
        }

        func linear(_ projection: TensorNames.Projection, _ layer: Int) throws -> Linear {
            let name = architecture.tensors.name(projection.tensor, layer: layer)
            var weight = try tensor(name + ".weight")
            var bias = projection.bias ? try tensor(name + ".bias") : nil
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
