import SutureModels
import SutureTensor

/// AlphaEdit (arXiv 2410.02355): MEMIT's values, brought in by changes that leave the keys of a corpus alone.
///
/// P projects onto the eigenvectors of C = E[k k^T] whose eigenvalues are below `threshold` times their mean: what a
/// corpus seldom reads. (The published threshold is 0.02 whatever the size of keys, which on SmolLM2 is 0.7 to 1.5 times
/// that mean.) With MEMIT's keys K and missing values R',
///
///     dW = R' (K^T P K + regularization)^-1 K^T P
///
/// so that dW k = 0 for every key k outside that space. The regularization is relative to the mean of K^T P K. Instead of
/// the published cache of earlier edits' keys, answers that would be undone are spared.
public struct AlphaEdit: JointRepairMethod {
    public let name = "alphaedit"
    /// The lowest layer that is edited; nil for the share of the depth that is published for Llama 2 (4 of 32).
    public var layer: Int?
    /// How many layers share the work.
    public var layers = 5
    public var threshold = 1.0
    public var regularization = 0.1
    public var search = ValueSearch()
    /// Behind how many beginnings of reference texts the values have to hold.
    public var openings = 5

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] =
        [
            .init("layer", "the layer that is edited, or the lowest of them", 0...10_000, \.layer),
            .init("layers", "how many layers share the work", 1...10_000, \.layers),
            .init("threshold", "how rare a key must be, relative to the mean eigenvalue", 0...1e9, \.threshold),
            .init("regularization", "relative to the mean of K^T P K", 0...1e9, \.regularization),
            .init(
                "openings", "beginnings of reference texts behind which the values have to hold", 0...1000, \.openings)
        ] + ValueSearch.settings.map { $0.within(\AlphaEdit.search) }

    /// Finds what the edited layers seldom read.
    public func prepare(_ material: RepairMaterial) throws -> MassEditPreparation<RareKeys> {
        try MassEditPreparation(material, from: layer, count: layers, openings: openings) {
            try RareKeys(material, layers: $0, threshold: threshold)
        }
    }

    /// Gives the keys of all failures new values.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: MassEditPreparation<RareKeys>
    ) throws -> Proposal {
        let rare = preparation.statistics
        let edit = try MassEdit(
            asked, sparing: kept, openings: preparation.openings, search: search, layers: preparation.layers)
        return try edit.proposal { layer, keys, missing, spared in
            // MEMIT's solution with P in place of C^-1, and the regularization in place of lambda.
            let reach = try (rare.projected(keys.to(.float64), layer: layer) * keys.to(.float64)).sum([1]).mean().item()
            return try MassEdit.change(keys, missing, spared, weight: max(regularization * reach, 1e-30)) {
                try rare.projected($0, layer: layer)
            }
        }
    }
}
