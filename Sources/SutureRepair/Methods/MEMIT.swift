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

    public init() {}

    public var options: [String: Double] {
        var options = search.options
        options["layers"] = Double(layers)
        options["balance"] = balance
        options["openings"] = Double(openings)
        options["ridge"] = ridge
        if let layer { options["layer"] = Double(layer) }
        return options
    }

    /// Reads the second moments of the edited layers' keys.
    public func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron>, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> Workshop {
        let edited = try MassEdit.layers(of: model, from: layer, count: layers)
        let keys = try KeyStatistics.moments(
            model, texts: texts, layers: Array(edited), ridge: ridge, cache: cache, progress: progress)
        return try Workshop(model, keys: keys, openings: Workshop.openings(texts, openings), reserved: reserved)
    }

    /// Gives the keys of all failures new values.
    public func propose(
        _ failures: [TokenizedFailure], sparing kept: [TokenizedFailure], in workshop: Workshop, on model: LanguageModel
    ) throws -> Proposal {
        guard let statistics = workshop.keys else {
            throw RepairError(.badRequest, "the method memit needs the keys of reference texts")
        }
        let edit = try MassEdit(
            failures, sparing: kept, openings: workshop.openings, search: search, on: model,
            layers: MassEdit.layers(of: model, from: layer, count: layers))
        return try edit.proposal { layer, keys, missing, spared in
            try MassEdit.change(
                keys, missing, spared, weight: balance * Double(keys.shape[1]),
                lift: { try statistics.lifted($0, layer: layer) })
        }
    }
}
