import SutureTensor

extension LanguageModel {
    /// What a neuron writes to the residual stream, `[width]`.
    public func writeVector(_ neuron: Neuron) throws -> Tensor {
        try weights.layer(checked(neuron).layer).down.matrix.column(neuron.index)
    }

    /// The write vectors of a layer's neurons as columns, `[width, m]`.
    public func writeVectors(layer: Int) throws -> Tensor {
        try weights.layer(checked(Neuron(layer: layer, index: 0)).layer).down.weight
    }

    /// The vectors that a neuron reads with, `[width]` each.
    public func readVectors(_ neuron: Neuron) throws -> NeuronEdit.Read {
        let layer = try weights.layer(checked(neuron).layer)
        return NeuronEdit.Read(
            gate: try layer.gate?.matrix.row(neuron.index), up: try layer.up.matrix.row(neuron.index))
    }

    /// What is added to a neuron's products with its read vectors; zero where the model has no such biases.
    public func readBiases(_ neuron: Neuron) throws -> (gate: Double, up: Double) {
        let layer = try weights.layer(checked(neuron).layer)
        func bias(_ linear: Weights.Linear?) throws -> Double {
            try linear?.bias.map { try $0.selected(0, neuron.index).item() } ?? 0
        }
        return (try bias(layer.gate), try bias(layer.up))
    }

    /// The activations `[...]` of a neuron that reads the normed stream `[..., width]` with `read`.
    public func activation(of neuron: Neuron, reading read: NeuronEdit.Read, _ normed: Tensor) throws -> Tensor {
        let biases = try readBiases(neuron)
        func product(_ vector: Tensor, _ bias: Double) throws -> Tensor {
            try normed.linear(vector.unsqueezed(0)).squeezed(normed.shape.count - 1) + bias
        }
        let up = try product(read.up, biases.up)
        guard let gate = read.gate else { return try activate(up) }
        return try activate(product(gate, biases.gate)) * up
    }

    /// The matrices `[m, width]` by which the neurons of a layer read the normed stream.
    public func mlpReading(layer: Int) throws -> (gate: Tensor?, up: Tensor) {
        let layer = try weights.layer(checked(Neuron(layer: layer, index: 0)).layer)
        return (try layer.gate?.weight, try layer.up.weight)
    }

    /// What the MLP of a layer reads of a stream `[..., width]`, the sum of ``Architecture/mlpSources(layer:)``: the same,
    /// normed.
    public func mlpInput(layer: Int, stream: Tensor) throws -> Tensor {
        try weights.layer(checked(Neuron(layer: layer, index: 0)).layer).mlpNorm?(stream) ?? stream
    }

    /// The hidden activations `[..., m]` of neurons without biases that read the normed stream with some matrices `[m, width]`.
    public func hidden(reading: (gate: Tensor?, up: Tensor), ofMLPInput normed: Tensor) throws -> Tensor {
        let up = try normed.linear(reading.up)
        guard let gate = reading.gate else { return try activate(up) }
        return try activate(normed.linear(gate)) * up
    }

    /// The hidden activations of a layer for what its MLP reads, normed.
    func hidden(_ layer: Int, _ normed: Tensor) throws -> Tensor {
        let layer = try weights.layer(layer)
        guard let gate = layer.gate else { return try activate(layer.up, normed) }
        return try layer.up(normed, times: activate(gate, normed))
    }

    /// What an output projection gives, as it is added to the stream.
    func scaled(_ written: Tensor, _ norm: Weights.Norm?) throws -> Tensor {
        let normed = try norm?(written) ?? written
        let scale = architecture.residualScale
        return scale == 1 ? normed : try normed * scale
    }

    package func activate(_ input: Tensor) throws -> Tensor {
        switch architecture.activation {
        case .silu: try input.silu()
        case .gelu: try input.gelu()
        case .geluTanh: try input.gelu(tanhApproximation: true)
        case .relu: try input.relu()
        }
    }

    /// The activation of what a linear layer makes of `input`.
    func activate(_ layer: Weights.Linear, _ input: Tensor) throws -> Tensor {
        architecture.activation == .silu ? try layer.silu(input) : try activate(layer(input))
    }

    /// Throws ``ModelError`` with code `outOfRange` unless the model has this neuron.
    public func check(_ neuron: Neuron) throws {
        guard (0..<architecture.layers).contains(neuron.layer), (0..<architecture.hiddenWidth).contains(neuron.index)
        else {
            throw ModelError(
                .outOfRange, "the model has no such neuron", subject: "\(neuron)",
                expected: "\(architecture.layers) layers of \(architecture.hiddenWidth)")
        }
    }

    private func checked(_ neuron: Neuron) throws -> Neuron {
        try check(neuron)
        return neuron
    }
}

extension Trace {
    /// What the MLP of a layer reads: the stream after attention (or as it enters the layer where both are parallel),
    /// normed, `[batch, positions, width]`.
    public func mlpInput(_ layer: Int) throws -> Tensor {
        try model.mlpInput(layer: layer, stream: mlpStream(layer))
    }

    /// The same before the norm.
    package func mlpStream(_ layer: Int) throws -> Tensor {
        try model.check(Neuron(layer: layer, index: 0))
        guard layer >= firstLayer else { throw unreached(layer) }
        return stream(Entry(layer: layer, stage: .mlp)).read
    }
}

extension Architecture {
    /// The sites whose sum is the stream that the MLP of a layer reads, before its norm.
    public func mlpSources(layer: Int) -> [Site] {
        isParallel ? [.residual(layer)] : [.residual(layer), .attentionOut(layer)]
    }

    /// The checkpoint's matrix that holds the write vectors of a layer's neurons, and whether as columns (or rows).
    public func writeVectors(layer: Int) -> (tensor: String, isColumn: Bool) {
        (tensors.name(tensors.down.tensor, layer: layer) + ".weight", tensors.down.orientation == .outIn)
    }

    /// A change of one row or column of a checkpoint's matrix.
    public struct MatrixChange: Sendable {
        public var tensor: String
        public var isColumn: Bool
        public var index: Int
        /// What is added, as long as the row or column.
        public var delta: Tensor
    }

    /// A neuron's edit as changes of the checkpoint's matrices.
    public func changes(of edit: NeuronEdit) throws -> [MatrixChange] {
        func change(_ projection: TensorNames.Projection, writes: Bool, _ delta: Tensor) -> MatrixChange {
            MatrixChange(
                tensor: tensors.name(projection.tensor, layer: edit.neuron.layer) + ".weight",
                // `[out, in]` has a neuron's write vector as a column and its read vectors as rows.
                isColumn: (projection.orientation == .outIn) == writes,
                index: projection.index(of: edit.neuron.index), delta: delta)
        }
        var changes = [change(tensors.down, writes: true, edit.delta)]
        if let read = edit.read {
            changes.append(change(tensors.up, writes: false, read.up))
            if let gate = tensors.gate, let delta = read.gate { changes.append(change(gate, writes: false, delta)) }
        }
        return changes
    }
}
