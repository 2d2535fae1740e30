import SutureModels
import SutureTensor

/// An MLP with random weights beside a trained one: it reads the same stream, and a patch along a direction of its hidden
/// activations is added to what the trained one writes.
///
/// A direction that controls the output from there says nothing of what the model has learned: that one can be found is a
/// consequence of width (Makelov, Lange & Nanda 2023, appendix B.5).
struct RandomMLP {
    private let location: Location
    /// source - base of its hidden activations, `[pairs, m]` in the order of the pairs.
    private let difference: Tensor
    /// `[d, m]`
    private let writing: Tensor

    /// The places whose values runs must have kept for it.
    static func locations(_ location: Location, in architecture: Architecture) -> [Location] {
        guard case .mlpHidden(let layer) = location.site else { return [] }
        return architecture.mlpSources(layer: layer).map { Location($0, at: location.tokens) }
    }

    /// Beside the MLP whose hidden activation is at `location`, every weight with the deviation of its matrix; nil elsewhere.
    init?(_ runs: PairedRuns, at location: Location, seed: UInt64) throws {
        guard case .mlpHidden(let layer) = location.site, let trained = try runs.model.writing(location.site) else {
            return nil
        }
        let model = runs.model
        let random = try RandomSource(seed: seed)
        func alike(_ matrix: Tensor) throws -> Tensor {
            try random.normal(matrix.shape) * matrix.square().mean().item().squareRoot()
        }
        let reading = try model.mlpReading(layer: layer)
        let up = try alike(reading.up)
        let gate = try reading.gate.map(alike)
        writing = try alike(trained)
        let kept = try Self.locations(location, in: model.architecture).map { try runs.values($0) }
        func sum(_ parts: [Tensor]) throws -> Tensor { try parts.dropFirst().reduce(parts[0]) { try $0 + $1 } }
        func hidden(_ stream: Tensor) throws -> Tensor {
            try model.hidden(reading: (gate, up), ofMLPInput: model.mlpInput(layer: layer, stream: stream))
        }
        difference = try Tensor.withoutGradients {
            try hidden(sum(kept.map(\.source))) - hidden(sum(kept.map(\.base)))
        }
        self.location = location
    }

    /// Learns directions of its hidden activation.
    func learn(
        _ runs: PairedRuns, by das: DAS, _ progress: (_ epoch: Int, _ of: Int, _ loss: Double) -> Void
    ) throws -> Subspace {
        let start = try das.initial(width: writing.shape[1]) { try pulls(das, runs) }
        let basis = try das.learn(runs, from: start, progress) { try change($0, $1, $2) }
        return try Subspace(location, basis: basis, method: "das", options: das.options)
    }

    /// The gradients of a loss at its hidden activation, and source - base there, `[rows, m]` each.
    private func pulls(_ das: DAS, _ runs: PairedRuns) throws -> (gradients: Tensor, differences: Tensor) {
        let written = try das.gradients(runs, at: Location(.mlpOut(location.site.layer), at: location.tokens))
        let rows = try DAS.moving(runs).flatMap { batch, rows in rows.map { batch.members[$0] } }
        return (try written.matmul(writing), try difference.indexSelected(0, at: rows))
    }

    /// What a patch along orthonormal columns adds to the stream for some rows of a batch.
    func change(_ basis: Tensor, _ batch: PairBatch, _ rows: [Int]) throws -> Intervention {
        let seen = try difference.indexSelected(0, at: rows.map { batch.members[$0] }).matmul(basis)
        let added = try seen.matmul(basis.transposed()).linear(writing).unsqueezed(1)
        return Intervention(.mlpOut(location.site.layer), at: try batch.positions(location.tokens, rows), .add(added))
    }
}
