import SutureModels
import SutureTensor

/// What MEMIT and AlphaEdit need of a model: statistics of the edited layers, and what stands before prompts in turn.
public struct MassEditPreparation<Statistics: Sendable>: Sendable {
    let layers: Range<Int>
    let statistics: Statistics
    let openings: [[Int]]

    init(
        _ material: RepairMaterial, from layer: Int?, count: Int, openings: Int, read: ([Int]) throws -> Statistics
    ) throws {
        layers = try MassEdit.layers(of: material.model, from: layer, count: count)
        statistics = try read(Array(layers))
        self.openings = material.openings(openings)
    }
}

/// What MEMIT and AlphaEdit share: the values that failures should have, brought in layer by layer.
struct MassEdit {
    private let contexts: [EditContexts]
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
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], openings: [[Int]], search: ValueSearch,
        layers: Range<Int>
    ) throws {
        (self.kept, model, self.layers) = (kept, asked[0].model, layers)
        contexts = try asked.map {
            try EditContexts($0, behind: openings, capturing: layers.map(Site.mlpHidden), from: layers.lowerBound)
        }
        let site = Site.residual(layers.upperBound)
        var steps = 0
        targets = try contexts.map { contexts in
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
        for layer in layers {
            var keys: [Tensor] = []
            var missing: [Tensor] = []
            let share = Double(layers.upperBound - layer)
            for (contexts, target) in zip(contexts, targets) {
                let sites = [Site.mlpHidden(layer), .residual(layers.upperBound)]
                let values = try contexts.lookedUp(sites, under: change)
                let (all, now) = (values[0], try values[1].selected(0, 0))
                // The prompt alone weighs as much as all openings together.
                let bare = try all.selected(0, 0)
                keys.append(
                    all.shape[0] == 1 ? bare : try (bare + all.narrowed(0, 1..<all.shape[0]).mean([0])) * 0.5)
                missing.append(try (target - now) / share)
            }
            let spared =
                try kept.isEmpty ? nil : SparedKeys(kept, on: model.applying(change), layers: [layer]).keys[layer]
            let (write, read) = try solve(layer, Tensor.stacked(keys), Tensor.stacked(missing).transposed(), spared)
            let delta = MatrixDelta(layer: layer, .lowRank(write: write, read: read))
            change = try change.adding(WeightChange(matrices: [delta]))
        }
        let failures = contexts.map(\.failure)
        let proposal = Proposal(change: change, steps: steps, notes: failures.first?.lookupNotes ?? [])
        return try proposal.checked(
            failures, on: model, otherwise: "the values that were found do not bring the answer out")
    }

    /// The factors `write` `[d, n]` and `read` `[n, m]` of R K^T (lambda C + K K^T)^-1 that answers to `spared` keys with
    /// nothing; by Woodbury R (I + K^T A K)^-1 K^T A with A = C^-1 / lambda, made orthogonal to them in its metric.
    static func change(
        _ keys: Tensor, _ missing: Tensor, _ spared: Tensor?, weight: Double, lift: (Tensor) throws -> Tensor
    ) throws -> (write: Tensor, read: Tensor) {
        let keys = try keys.to(.float64)
        var lifted = try lift(keys) / weight
        if let spared {
            let kept = try spared.to(.float64)
            let keptLifted = try lift(kept) / weight
            let answers = try kept.matmul(lifted.transposed())
            let shares = try answers.leastSquares(kept.matmul(keptLifted.transposed()))
            lifted = try lifted - shares.transposed().matmul(keptLifted)
        }
        let count = keys.shape[0]
        let identity = try (Tensor.arange(0..<count) .== Tensor(Array(0..<count), shape: [count, 1])).to(.float64)
        let system = try identity.to(keys.device) + keys.matmul(lifted.transposed())
        // write (I + K^T A K) = R, of a system that need not be symmetric once keys are spared.
        let write = try missing.to(.float64).transposed().solved(system.transposed()).transposed()
        return (try write.to(.float32), try lifted.to(.float32))
    }
}
