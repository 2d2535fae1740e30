import SutureModels
import SutureTensor

/// What MEMIT and AlphaEdit share: the values that failures should have, brought in layer by layer.
struct MassEdit {
    private let failures: [TokenizedFailure]
    private let openings: [[Int]]
    private let kept: [TokenizedFailure]
    private let model: LanguageModel
    private let layers: Range<Int>
    /// What the stream behind the last edited layer should be at the lookup of each failure, `[d]`.
    private let targets: [Tensor]
    private let steps: Int

    /// Consecutive layers, by default from the share of the depth on that is published for Llama 2.
    static func layers(of model: LanguageModel, from layer: Int?, count: Int) throws -> Range<Int> {
        let depth = model.architecture.layers
        let first = try model.editLayer(layer ?? depth / 8)
        return first..<min(depth, first + max(1, count))
    }

    /// Looks for the values.
    init(
        _ failures: [TokenizedFailure], sparing kept: [TokenizedFailure], openings: [[Int]], search: ValueSearch,
        on model: LanguageModel, layers: Range<Int>
    ) throws {
        (self.failures, self.kept, self.openings, self.model, self.layers) = (failures, kept, openings, model, layers)
        let site = Site.residual(layers.upperBound)
        var steps = 0
        targets = try failures.map { failure in
            let contexts = try EditContexts(
                failure, behind: openings, on: model, capturing: [], from: layers.upperBound)
            let found = try search.run(contexts, at: site)
            steps += found.losses.count
            return try found.value + found.delta
        }
        self.steps = steps
    }

    /// Brings the values in, each layer a share of what is missing.
    ///
    /// `solve` gives the factors `[d, n]` and `[n, m]` of a layer's change from the failures' keys `[n, m]`, what is
    /// missing `[d, n]`, and keys `[kept, m]` to which the change must answer nothing.
    func proposal(
        solve: (_ layer: Int, _ keys: Tensor, _ missing: Tensor, _ spared: Tensor?) throws -> (
            write: Tensor, read: Tensor
        )
    ) throws -> Proposal {
        var change = WeightChange()
        var present = model
        for layer in layers {
            var keys: [Tensor] = []
            var missing: [Tensor] = []
            let share = Double(layers.upperBound - layer)
            for (failure, target) in zip(failures, targets) {
                let contexts = try EditContexts(
                    failure, behind: openings, on: present, capturing: [.mlpHidden(layer)], from: layer)
                let all = try contexts.lookedUp(contexts.trace[.mlpHidden(layer)])
                // The prompt alone weighs as much as all openings together.
                let bare = try all.selected(0, 0)
                keys.append(
                    all.shape[0] == 1 ? bare : try (bare + all.narrowed(0, 1..<all.shape[0]).mean([0])) * 0.5)
                let now = try contexts.lookedUp(contexts.trace[.residual(layers.upperBound)]).selected(0, 0)
                missing.append(try (target - now) / share)
            }
            let spared = try SparedKeys(kept, on: present, layers: [layer]).keys[layer]
            let (write, read) = try solve(layer, Tensor.stacked(keys), Tensor.stacked(missing).transposed(), spared)
            let delta = MatrixDelta(layer: layer, .lowRank(write: write, read: read))
            change = try change.adding(WeightChange(matrices: [delta]))
            present = try model.applying(change)
        }
        let proposal = Proposal(change: change, steps: steps, notes: failures[0].lookupNotes)
        return try proposal.checked(
            failures, on: model, otherwise: "the values that were found do not bring the answer out")
    }
}
