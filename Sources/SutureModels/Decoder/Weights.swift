import SutureTensor

/// The tensors of a decoder, each in its place.
struct Weights: Sendable {
    struct Linear: Sendable {
        var matrix: Matrix
        var bias: Tensor?
        /// Whether a few vectors are multiplied with the matrix as it is stored.
        var takesStored = false

        /// `[out, in]` in float32.
        var weight: Tensor { get throws { try matrix.widened() } }

        private func product(_ input: Tensor) throws -> Tensor? {
            guard takesStored, let product = try matrix.product(input) else { return nil }
            return try bias.map { try product + $0 } ?? product
        }

        func callAsFunction(_ input: Tensor) throws -> Tensor {
            if let product = try product(input) { return product }
            let weight = try weight
            guard matrix.isWidenedAgain, input.isTracked else { return try input.linear(weight, bias: bias) }
            return try input.linear(weight, bias: bias, again: matrix.widened)
        }

        func callAsFunction(_ input: Tensor, times factor: Tensor) throws -> Tensor {
            if let product = try product(input) { return try factor * product }
            guard matrix.isWidenedAgain, input.isTracked else {
                return try input.linear(weight, bias: bias, times: factor)
            }
            return try factor * self(input)
        }

        func callAsFunction(_ input: Tensor, plus term: Tensor) throws -> Tensor {
            if let product = try product(input) { return try term + product }
            guard matrix.isWidenedAgain, input.isTracked else {
                return try input.linear(weight, bias: bias, plus: term)
            }
            return try term + self(input)
        }

        func silu(_ input: Tensor) throws -> Tensor {
            if let product = try product(input) { return try product.silu() }
            guard matrix.isWidenedAgain, input.isTracked else { return try input.linearSilu(weight, bias: bias) }
            return try self(input).silu()
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

        /// The same layer, which multiplies a few vectors with its matrices as they are stored.
        var takingStored: Layer {
            var layer = self
            for part in [\Layer.query, \.key, \.value, \.output, \.up, \.down] {
                layer[keyPath: part].takesStored = true
            }
            layer.gate?.takesStored = true
            return layer
        }

        /// Runs `body` with all matrices widened, once.
        func whileWidened(_ body: () throws -> Void) throws {
            let matrices = [query, key, value, output, gate, up, down].compactMap(\.?.matrix.stored)
            defer { for matrix in matrices { matrix.unshare() } }
            for matrix in matrices { try matrix.share() }
            try body()
        }
    }

    /// Nothing but itself: what has the same one is the same.
    final class Mark: Sendable {}

    var embedding: StoredTensor
    var positions: StoredTensor?
    /// Nil for those that other processes hold.
    private var layers: [Layer?]
    var finalNorm: Norm
    var head: OutputHead
    /// The same object in all models that share embeddings, last norm and head.
    let ends: Mark

    /// Takes the tensors that `architecture` names out of a checkpoint's, checking every shape.
    ///
    /// Layers of `old` weights that have none of the `changed` tensors are taken as they are: some are copies. Those that are
    /// not `held` are left out.
    init(
        _ architecture: Architecture, _ tensors: [String: StoredTensor], holding held: Range<Int>? = nil,
        sharing old: Weights? = nil, changed: Set<String> = []
    ) throws {
        let held = held ?? 0..<architecture.layers
        let names = architecture.tensors
        let kept = (0..<architecture.layers).map { layer in
            old.flatMap { names.tensors(ofLayer: layer).isDisjoint(with: changed) ? $0.layers[layer] : nil }
        }
        let isSame = architecture.neededTensors(in: []).allSatisfy { !changed.contains($0.name) }
        ends = isSame ? old?.ends ?? Mark() : Mark()
        for needed in architecture.neededTensors(in: held.filter { kept[$0] == nil }) {
            guard let tensor = tensors[needed.name] else { throw needed.missing }
            try needed.check(tensor.shape)
        }
        let reader = Reader(architecture: architecture, tensors: tensors)
        embedding = try reader.stored(names.name(names.embedding))
        positions = try names.positions.map { try reader.stored(names.name($0)) }
        layers = try kept.enumerated().map { layer, kept in
            guard held.contains(layer) else { return nil }
            return try kept
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
        head = OutputHead(
            stored: architecture.tiedHead ? embedding : try reader.stored(names.head.tensor + ".weight"),
            bias: names.head.bias ? try reader.tensor(names.head.tensor + ".bias") : nil)
    }

    /// A layer.
    ///
    /// Throws ``ModelError`` with code `split` for one that another process holds.
    func layer(_ index: Int) throws -> Layer {
        guard let layer = layers[index] else {
            let held = layers.indices.filter { layers[$0] != nil }
            throw ModelError.elsewhere("layer \(index)", (held.first ?? 0)..<(held.last ?? -1) + 1)
        }
        return layer
    }

    /// The same weights, by which a few vectors are multiplied as they are stored.
    var takingStored: Weights {
        var weights = self
        weights.layers = layers.map { $0?.takingStored }
        weights.head.takesStored = true
        return weights
    }

    private struct Reader {
        let architecture: Architecture
        /// Those that are needed were found to be there, each of its shape.
        let tensors: [String: StoredTensor]

        func stored(_ name: String) throws -> StoredTensor {
            guard let tensor = tensors[name] else {
                throw ModelError(.badWeights, "a tensor of the architecture is missing", subject: name)
            }
            return tensor
        }

        func tensor(_ name: String) throws -> Tensor { try stored(name).widened() }

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
            // A patch may add one to what the MLP writes.
            let isAdded = projection == architecture.tensors.down && tensors[name + ".bias"] != nil
            var bias = projection.bias || isAdded ? try tensor(name + ".bias") : nil
            if let part = projection.part { bias = try bias?.taking(part) }
            return Linear(
                matrix: try Matrix(
                    stored(name + ".weight"), isTransposed: projection.orientation == .inOut, part: projection.part),
                bias: bias)
        }
    }
}

extension Tensor {
    /// The rows of a part. Those of one block are a view; those of several are copied, for the products to be fast.
    func taking(_ part: TensorNames.Part) throws -> Tensor {
        let stretch = part.start..<part.start + part.count
        guard shape[0] != part.block else { return try narrowed(0, stretch) }
        let rest = Array(shape.dropFirst())
        return try reshaped([-1, part.block] + rest).narrowed(1, stretch).reshaped([-1] + rest)
    }
}
