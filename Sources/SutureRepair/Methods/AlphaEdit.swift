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

    public init() {}

    public var options: [String: Double] {
        var options = search.options
        options["layers"] = Double(layers)
        options["threshold"] = threshold
        options["regularization"] = regularization
        options["openings"] = Double(openings)
        if let layer { options["layer"] = Double(layer) }
        return options
    }

    /// Finds what the edited layers seldom read.
    public func prepare(
        _ model: LanguageModel, texts: [[Int]], reserved: Set<Neuron>, cache: StatisticsCache?,
        progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> Workshop {
        let edited = try MassEdit.layers(of: model, from: layer, count: layers)
        let keys = try KeyStatistics.projectors(
            model, texts: texts, layers: Array(edited), threshold: threshold, cache: cache, progress: progress)
        return try Workshop(model, keys: keys, openings: Workshop.openings(texts, openings), reserved: reserved)
    }

    /// Gives the keys of all failures new values.
    public func propose(
        _ failures: [TokenizedFailure], sparing kept: [TokenizedFailure], in workshop: Workshop, on model: LanguageModel
    ) throws -> Proposal {
        guard let projectors = workshop.keys?.projectors else {
            throw RepairError(.badRequest, "the method alphaedit needs the keys of reference texts")
        }
        let edit = try MassEdit(
            failures, sparing: kept, openings: workshop.openings, search: search, on: model,
            layers: MassEdit.layers(of: model, from: layer, count: layers))
        return try edit.proposal { layer, keys, missing, spared in
            guard let projector = projectors[layer] else {
                throw RepairError(.badRequest, "there are no statistics of layer \(layer)")
            }
            // MEMIT's solution with P in place of C^-1, and the regularization in place of lambda.
            let reach = try (keys.to(.float64).matmul(projector) * keys.to(.float64)).sum([1]).mean().item()
            return try MassEdit.change(keys, missing, spared, weight: max(regularization * reach, 1e-30)) {
                try $0.matmul(projector)
            }
        }
    }
}
