import SutureTensor

/// A change of a decoder's weights: of single neurons, and of whole output projections.
public struct WeightChange: Sendable {
    /// At most one for each neuron.
    public var neurons: [NeuronEdit]
    /// At most one for each layer; where neurons of the layer are changed too, both add up.
    public var matrices: [MatrixDelta]

    /// Changes of neurons and of whole output projections.
    public init(neurons: [NeuronEdit] = [], matrices: [MatrixDelta] = []) {
        self.neurons = neurons
        self.matrices = matrices
    }

    public var isEmpty: Bool { neurons.isEmpty && matrices.isEmpty }

    /// The lowest layer that is changed; nil where nothing is.
    public var lowestLayer: Int? { (neurons.map(\.neuron.layer) + matrices.map(\.layer)).min() }

    /// How many numbers it is written down in.
    public var count: Int {
        neurons.reduce(0) { $0 + $1.delta.count + ($1.read.map { $0.up.count + ($0.gate?.count ?? 0) } ?? 0) }
            + matrices.reduce(0) { $0 + $1.count }
    }

    /// The Euclidean norm of what is added, over all weights.
    public var norm: Double {
        get throws {
            func energy(_ vector: Tensor?) throws -> Double { try vector?.to(.float64).square().sum().item() ?? 0 }
            var sum = try matrices.reduce(0) { try $0 + $1.energy }
            for edit in neurons {
                sum += try energy(edit.delta) + energy(edit.read?.gate) + energy(edit.read?.up)
                for matrix in matrices where matrix.layer == edit.neuron.layer {
                    sum += 2 * (try (matrix.column(edit.neuron.index) * edit.delta).sum().item())
                }
            }
            return max(0, sum).squareRoot()
        }
    }

    /// Both changes.
    public func adding(_ other: WeightChange) throws -> WeightChange {
        var sum = self
        for edit in other.neurons {
            if let index = sum.neurons.firstIndex(where: { $0.neuron == edit.neuron }) {
                sum.neurons[index] = try sum.neurons[index].adding(edit)
            } else {
                sum.neurons.append(edit)
            }
        }
        for delta in other.matrices {
            if let index = sum.matrices.firstIndex(where: { $0.layer == delta.layer }) {
                sum.matrices[index] = try sum.matrices[index].adding(delta)
            } else {
                sum.matrices.append(delta)
            }
        }
        return sum
    }

    /// The part of it in some layers.
    func inLayers(_ layers: some RangeExpression<Int>) -> WeightChange {
        WeightChange(
            neurons: neurons.filter { layers.contains($0.neuron.layer) },
            matrices: matrices.filter { layers.contains($0.layer) })
    }
}

extension LanguageModel {
    /// The same model with its weights changed.
    ///
    /// Throws ``ModelError`` with code `outOfRange` for a neuron or a layer that is not there, or another shape.
    public func applying(_ change: WeightChange) throws -> LanguageModel {
        try check(change)
        var changed: [String: Tensor] = [:]
        func present(_ name: String) throws -> Tensor {
            if let matrix = changed[name] { return matrix }
            guard let matrix = tensors[name] else {
                throw ModelError(.badWeights, "the tensor is missing", subject: name)
            }
            return try matrix.widenedOnce()
        }
        for change in try change.neurons.flatMap({ try architecture.changes(of: $0) }) {
            let dimension = change.isColumn ? 1 : 0
            let index = try Tensor([change.index], device: device)
            changed[change.tensor] = try present(change.tensor).adding(
                dimension, at: index, change.delta.unsqueezed(dimension))
        }
        for delta in change.matrices {
            let (name, isColumn) = architecture.writeVectors(layer: delta.layer)
            let matrix = try delta.matrix
            changed[name] = try present(name) + (isColumn ? matrix : matrix.transposed())
        }
        return try changed.isEmpty ? self : replacing(changed)
    }

    /// The same model with some neurons changed.
    public func editing(_ edits: [NeuronEdit]) throws -> LanguageModel { try applying(WeightChange(neurons: edits)) }

    /// The Euclidean norm of a change, relative to that of the matrices it is in; 0 for no change.
    public func relativeNorm(of change: WeightChange) throws -> Double {
        try check(change)
        let names = Set(
            try change.neurons.flatMap { try architecture.changes(of: $0).map(\.tensor) }
                + change.matrices.map { architecture.writeVectors(layer: $0.layer).tensor })
        let energy = try names.reduce(0) { try $0 + (tensors[$1]?.widenedOnce().square().sum().item() ?? 0) }
        return energy > 0 ? try change.norm / energy.squareRoot() : 0
    }

    /// Throws unless the model has what is changed.
    func check(_ change: WeightChange) throws {
        for edit in change.neurons { try check(edit.neuron) }
        for layer in change.neurons.map(\.neuron.layer) + change.matrices.map(\.layer) { try ring?.requireHeld(layer) }
        let shape = [architecture.width, architecture.hiddenWidth]
        for delta in change.matrices {
            let found: [Int] =
                switch delta.form {
                case .lowRank(let write, let read):
                    write.rank == 2 && read.rank == 2 && write.shape[1] == read.shape[0]
                        ? [write.shape[0], read.shape[1]] : write.shape + read.shape
                case .dense(let matrix): matrix.shape
                }
            guard (0..<architecture.layers).contains(delta.layer), found == shape else {
                throw ModelError(
                    .outOfRange, "the change does not fit the model", subject: "\(Site.mlpOut(delta.layer))",
                    expected: "\(architecture.layers) layers of \(shape)", found: "\(found)")
            }
        }
    }
}
