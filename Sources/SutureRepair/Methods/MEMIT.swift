import SutureModels
import SutureTensor

/// Mass-Editing Memory in a Transformer (arXiv 2210.07229): the values of many keys are changed together, in several
/// layers that share the work.
///
/// For each failure ``ValueSearch`` finds what the last edited layer should leave in the stream at the lookup. From the
/// lowest layer on, with keys K `[m, n]` and what is still missing R `[d, n]` taken anew,
///
///     dW = R' K^T (lambda C + K K^T)^-1,   R' = R / (layers left)
///
/// C = E[k k^T] over a corpus; lambda is `balance` m, which for Llama 2 is the published 15000.
///
/// Without a subject the edit is looked up at the last token of the prompt.
public struct MEMIT: JointRepairMethod {
    public let name = "memit"
    /// The lowest layer that is edited; nil for the share of the depth that is published for Llama 2 (4 of 32).
    public var layer: Int?
    /// How many layers share the work.
    public var layers = 5
    public var balance = 1.36
    public var search = ValueSearch()
    /// Behind how many beginnings of reference texts the values have to hold.
    public var openings = 5
    /// What is added to the diagonal of C, relative to its mean.
    public var ridge = 0.01

    /// The default settings.
    public init() {}

    public static let settings: [MethodSetting<Self>] =
        [
            .init("layer", "the layer that is edited, or the lowest of them", 0...10_000, \.layer),
            .init("layers", "how many layers share the work", 1...10_000, \.layers),
            .init("balance", "lambda, relative to the number of neurons", 0...1e9, \.balance),
            .init(
                "openings", "beginnings of reference texts behind which the values have to hold", 0...1000, \.openings),
            .init("ridge", "what is added to the diagonal of C, relative to its mean", 0...1000, \.ridge)
        ] + ValueSearch.settings.map { $0.within(\MEMIT.search) }

    /// Reads the second moments of the edited layers' keys.
    public func prepare(_ material: RepairMaterial) throws -> MassEditPreparation<KeyMoments> {
        try MassEditPreparation(material, from: layer, count: layers, openings: openings) {
            try KeyMoments(material, layers: $0, ridge: ridge)
        }
    }

    /// Gives the keys of all failures new values.
    public func propose(
        _ asked: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: MassEditPreparation<KeyMoments>
    ) throws -> Proposal {
        let edit = try MassEdit(
            asked, sparing: kept, openings: preparation.openings, search: search, layers: preparation.layers)
        return try edit.proposal { layer, keys, missing, spared in
            try MassEdit.change(
                keys, missing, spared, weight: balance * Double(keys.shape[1]),
                lift: { try preparation.statistics.lifted($0, layer: layer) })
        }
    }
}
