import SutureModels
import SutureTensor

/// Rank-One Model Editing (arXiv 2202.05262): one output projection is a memory, in which one key gets a new value.
///
/// With k* the mean key at the lookup over all contexts, v* the value found by ``ValueSearch`` and C = E[k k^T] over a
/// corpus, the smallest change in the metric of C after which k* is answered with v* is
///
///     dW = (v* - W k*) (C^-1 k*)^T / (k*^T C^-1 k*)
///
/// This is the corrected form (r-ROME, arXiv 2403.07175). The published code divides by k^T C^-1 k*, with the key k of
/// the prompt alone, and measures what is missing there: `original` does the same.
///
/// Without a subject the edit is looked up at the last token of the prompt.
public struct ROME: RepairMethod {
    public var name: String { "rome" }
    /// The layer that is edited; nil for the share of the depth that is published for Llama 2 (5 of 32).
    public var layer: Int?
    /// Whether to edit as the published code does.
    public var original = false
    public var search = ValueSearch()
    /// Behind how many beginnings of reference texts the value has to hold.
    public var openings = 5
    /// What is added to the diagonal of C, relative to its mean.
    public var ridge = 0.01

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] =
        [
            .init("layer", "the layer that is edited", 0...10_000, \.layer),
            .init("original", "edit as the published code does, not in the corrected form", \.original),
            .init(
                "openings", "beginnings of reference texts behind which the values have to hold", 0...1000, \.openings),
            .init("ridge", "what is added to the diagonal of C, relative to its mean", 0...1000, \.ridge)
        ] + ValueSearch.settings.map { $0.within(\ROME.search) }

    private func layer(of model: LanguageModel) throws -> Int {
        try model.editLayer(layer ?? (5 * model.architecture.layers + 16) / 32)
    }

    /// The second moments of the edited layer's keys, and what stands before the prompt in turn.
    public struct Preparation: Sendable {
        let moments: KeyMoments
        let openings: [[Int]]
    }

    /// Reads the second moment of the edited layer's keys.
    public func prepare(_ material: RepairMaterial) throws -> Preparation {
        Preparation(
            moments: try KeyMoments(material, layers: [layer(of: material.model)], ridge: ridge),
            openings: material.openings(openings))
    }

    /// Gives the key of the failure a new value.
    public func propose(_ asked: TeacherForcedRun, with preparation: Preparation) throws -> Proposal {
        let (failure, model) = (asked.failure, asked.model)
        let layer = try layer(of: model)
        let (hidden, out) = (Site.mlpHidden(layer), Site.mlpOut(layer))
        let contexts = try EditContexts(
            asked, behind: preparation.openings, capturing: [hidden, out], from: layer)
        let found = try search.run(contexts, at: out)
        let keys = try contexts.lookedUp(hidden)
        let delta = try edit(
            layer, keys: keys, adding: found.delta, writing: model.writeVectors(layer: layer),
            preparation.moments)
        let proposal = Proposal(
            change: WeightChange(matrices: [delta]), steps: found.losses.count, notes: failure.lookupNotes)
        return try proposal.checked(
            [failure], on: model, otherwise: "the value that was found does not bring the answer out")
    }

    /// The rank-one change of W `[d, m]` after which the mean of the contexts' keys `[contexts, m]` is answered with
    /// `delta` more than the first of them is now.
    func edit(_ layer: Int, keys: Tensor, adding delta: Tensor, writing: Tensor, _ moments: KeyMoments) throws
        -> MatrixDelta
    {
        let (mean, bare) = (try keys.mean([0]).to(.float64), try keys.selected(0, 0).to(.float64))
        let lifted = try moments.lifted(mean.unsqueezed(0), layer: layer).squeezed(0)
        let missing = try delta.to(.float64) + writing.to(.float64).matmul((bare - mean).unsqueezed(1)).squeezed(1)
        let write = original ? try delta.to(.float64) / (bare * lifted).sum() : try missing / (mean * lifted).sum()
        return MatrixDelta(
            layer: layer,
            .lowRank(
                write: try write.to(.float32).unsqueezed(1), read: try lifted.to(.float32).unsqueezed(0)))
    }
}

extension LanguageModel {
    /// Throws unless the model has the layer.
    func editLayer(_ layer: Int) throws -> Int {
        guard (0..<architecture.layers).contains(layer) else {
            throw RepairError(
                .badRequest, "the model has no such layer to edit", expected: "0..<\(architecture.layers)",
                found: "\(layer)")
        }
        return layer
    }
}

extension Proposal {
    /// The same, or given up where one answer was asked for and a token of it is still not the most likely.
    func checked(_ failures: [TokenizedFailure], on model: LanguageModel, otherwise reason: String) throws -> Proposal {
        guard failures.count == 1 else { return self }
        let wrong = try model.applying(change).scores(failures[0]).wrong(failures[0].answer)
        return wrong.isEmpty ? self : abandoning(reason)
    }
}
