import SutureFormats
import SutureTensor

/// What the files of a model can hold of a change: bfloat16 and the blocks of GGUF files hold few numbers.
extension LanguageModel {
    /// The nearest change of neurons that the model's files can hold; those of whole matrices stay as they are.
    ///
    /// A new neuron of a gated MLP has a scale that can be chosen: what it reads times a, what it writes divided by a. Of the
    /// powers of two that one is taken with which what it writes fits best between the levels of the blocks that it shares.
    ///
    /// - Parameters:
    ///   - change: a change of this model.
    ///   - strength: how much of what new neurons write, and of what others are changed by, is wanted.
    /// - Returns: nil where nothing is rounded: the model was not loaded from files, or what is changed is float32 there.
    package func storable(_ change: WeightChange, strength: Double = 1) throws -> WeightChange? {
        guard let storage,
            try change.neurons.contains(where: { edit in
                try architecture.changes(of: edit).contains { try !holdsAll($0, in: storage) }
            })
        else { return nil }
        var change = change
        change.neurons = try change.neurons.map { try storable($0, strength, in: storage) }
        return change
    }

    /// The nearest vectors by which a neuron can read, instead of those by which it does.
    package func storable(_ read: NeuronEdit.Read, of neuron: Neuron) throws -> NeuronEdit.Read {
        guard let storage else { return read }
        let old = try readVectors(neuron)
        let removed = try NeuronEdit.Read(gate: old.gate.map { try -$0 }, up: -old.up)
        return try old + storable(read + removed, from: old, of: neuron, in: storage)
    }

    /// How many powers of two around the first guess are tried.
    private static let exponents = -2...3

    private func storable(_ edit: NeuronEdit, _ strength: Double, in storage: Checkpoint) throws -> NeuronEdit {
        let slices = try architecture.changes(of: edit)
        let old = try writeVector(edit.neuron)
        let hasFreeScale = try edit.read != nil && architecture.isGated && readBiases(edit.neuron).up == 0
        // A neuron that reads something else has nothing of the old one left.
        let wanted =
            try hasFreeScale ? (old + edit.delta) * strength : old + edit.delta * strength
        var exponents = [0]
        if hasFreeScale {
            let reach =
                try (wanted.abs().max().item() / max(1e-30, writeVectors(layer: edit.neuron.layer).abs().max().item()))
            let guess = reach > 0 ? Int(reach.logarithm2.rounded(.up)) : 0
            exponents += Self.exponents.map { $0 + guess }.filter { $0 != 0 }
        }
        var best: (error: Double, edit: NeuronEdit, exponent: Int)?
        for exponent in exponents {
            let scale = 0x1p0.scaled(by: exponent)
            let rounded = try nearest(wanted / scale, slices[0], in: storage)
            let error = try (rounded * scale - wanted).to(.float64).square().sum().item()
            guard error < best?.error ?? .infinity else { continue }
            best = (error, NeuronEdit(edit.neuron, delta: try rounded - old, read: edit.read), exponent)
        }
        guard let best else { return edit }
        var edit = best.edit
        if let read = edit.read {
            let vectors = try readVectors(edit.neuron)
            var wanted = try vectors + read
            wanted.up = try wanted.up * 0x1p0.scaled(by: best.exponent)
            edit.read = try storable(
                NeuronEdit.Read(gate: read.gate, up: wanted.up - vectors.up), from: vectors, of: edit.neuron,
                in: storage)
        }
        return edit
    }

    /// The nearest change of what a neuron reads by.
    private func storable(
        _ delta: NeuronEdit.Read, from old: NeuronEdit.Read, of neuron: Neuron, in storage: Checkpoint
    ) throws -> NeuronEdit.Read {
        let none = try Tensor.zeros([architecture.width], device: device)
        let slices = try architecture.changes(of: NeuronEdit(neuron, delta: none, read: delta))
        var rounded = delta
        rounded.up = try nearest(old.up + delta.up, slices[1], in: storage) - old.up
        if let gate = delta.gate, let before = old.gate {
            rounded.gate = try nearest(before + gate, slices[2], in: storage) - before
        }
        return rounded
    }

    private func holdsAll(_ slice: Architecture.MatrixChange, in storage: Checkpoint) throws -> Bool {
        guard let tensor = storage[slice.tensor] else { return true }
        return try storage.holdsAll(tensor)
    }

    /// The nearest vector that can stand in a row or column of a matrix.
    private func nearest(
        _ vector: Tensor, _ slice: Architecture.MatrixChange, in storage: Checkpoint
    ) throws -> Tensor {
        guard let tensor = storage[slice.tensor], try !storage.holdsAll(tensor) else { return vector }
        let width = tensor.shape[1]
        func place(_ index: Int) -> Int { slice.isColumn ? index * width + slice.index : slice.index * width + index }
        let values = try vector.floats()
        let elements = Dictionary(uniqueKeysWithValues: values.enumerated().map { (place($0), $1) })
        let nearest = try storage.nearest(elements, of: tensor)
        return try Tensor(values.indices.map { nearest[place($0)] ?? values[$0] }, device: device)
    }
}

extension Double {
    fileprivate var logarithm2: Double { Double(exponent) + (significand - 1) }

    fileprivate func scaled(by exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: self) }
}
