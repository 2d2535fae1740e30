import SutureModels
import SutureTensor

/// An attention head.
public struct Head: Hashable, Sendable, Codable, CustomStringConvertible {
    public var layer: Int
    public var index: Int

    /// The head of that number in a layer.
    public init(layer: Int, index: Int) {
        self.layer = layer
        self.index = index
    }

    public var description: String { "\(layer).\(index)" }
}

/// Heads that read what a patch of the residual stream at the last token changes, and carry it to the output.
public struct ReadingHeads: Sendable {
    /// A head, and the share of the whole patch's effect that its changed output alone carries.
    public struct Mediator: Sendable, Codable {
        public var head: Head
        public var share: Double
    }

    /// All heads behind the location, the strongest first.
    public let mediators: [Mediator]

    /// The strongest few.
    public func strongest(_ count: Int) -> [Head] { mediators.prefix(count).map(\.head) }

    /// Patches the whole residual stream, then puts each later head's changed output into the clean run, alone.
    public init(
        _ runs: PairedRuns, at location: Location, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let architecture = runs.model.architecture
        guard case .residual(let layer) = location.site, layer < architecture.layers, location.tokens == .last else {
            throw SubspaceError(
                .badRequest, "reading heads are looked for behind the residual stream at the last token",
                subject: "\(location)")
        }
        let clean = try runs.clean()
        let whole = SubspacePatch(whole: location)
        func effect(_ outcome: PairOutputs) -> Double {
            Bootstrap.mean(zip(clean.difference, outcome.difference).map { $0 - $1 })
        }
        let full = effect(try runs.outputs(whole))
        let layers = Array(layer..<architecture.layers)
        let width = architecture.headWidth
        // What all heads put out under the patch, for each batch and layer.
        let changed = try Tensor.withoutGradients {
            try runs.batches.map { batch in
                try batch.trace.replay(
                    prompts: Array(batch.pairs.indices), [whole.intervention(on: batch)],
                    capturing: layers.map(Site.heads),
                    logits: .none)
            }
        }
        var found: [Mediator] = []
        for layer in layers {
            for head in 0..<architecture.heads {
                let site = Site.head(layer: layer, index: head)
                var index = 0
                let outcome = try runs.outputs { batch in
                    let values = try changed[index][.heads(layer)].narrowed(2, head * width..<(head + 1) * width)
                    index += 1
                    return [Intervention(site, at: .last, .replace(values))]
                }
                found.append(Mediator(head: Head(layer: layer, index: head), share: effect(outcome) / full))
            }
            progress("looking for reading heads", layer - layers[0] + 1, layers.count)
        }
        mediators = found.sorted { ($0.share, $1.head.layer, $1.head.index) > ($1.share, $0.head.layer, $0.head.index) }
    }
}

extension ReadingHeads {
    /// Sites that ``gradient(_:of:at:toward:against:)`` needs the runs to capture.
    public static func keys(from layer: Int, in model: LanguageModel) -> [Site] {
        (layer..<model.architecture.layers).map(Site.keys)
    }

    /// The direction at a location along which a head attends more to one role than to another, `[width]`, length one.
    ///
    /// The gradient of q . (k_toward - k_against), before the softmax, averaged over the bases (Makelov, Lange & Nanda
    /// 2023, section 5).
    public static func gradient(
        _ runs: PairedRuns, of head: Head, at location: Location, toward: String, against: String
    ) throws -> Tensor {
        let architecture = runs.model.architecture
        var sum: Tensor?
        for batch in runs.batches {
            let count = batch.pairs.count
            let leaf = try Tensor.zeros([count, 1, location.site.width(in: architecture)]).tracked()
            let run = try batch.trace.replay(
                prompts: Array(0..<count), [Intervention(location.site, at: .last, .add(leaf))],
                capturing: [.queries(head.layer)],
                logits: .none)
            let scores = try scores(
                batch, run[.queries(head.layer)], head, toward: toward, against: against, architecture)
            let gradient = try scores.sum().gradients(of: [leaf])[0].sum([0, 1])
            sum = try sum.map { try $0 + gradient } ?? gradient
        }
        guard let sum else { throw SubspaceError(.badRequest, "there are no pairs") }
        return try sum / sum.norm()
    }

    /// scale * q . (k_toward - k_against) at the last token of each base, given the layer's queries
    /// `[pairs, positions, heads x width]` under some intervention there: `[pairs]`.
    static func scores(
        _ batch: PairBatch, _ queries: Tensor, _ head: Head, toward: String, against: String,
        _ architecture: Architecture
    ) throws -> Tensor {
        let width = architecture.headWidth
        let group = head.index / (architecture.heads / architecture.keyValueHeads)
        let keys = try batch.trace[.keys(head.layer)].narrowed(2, group * width..<(group + 1) * width)
        func key(_ role: String) throws -> Tensor {
            let places = try batch.places(of: role)
            return try keys.gathered(
                1, at: Tensor(places, shape: [places.count, 1, 1]).expanded([places.count, 1, width]))
        }
        let last = queries.shape[1] - 1
        let query = try queries.narrowed(1, last..<last + 1).narrowed(2, head.index * width..<(head.index + 1) * width)
        return try (query * (key(toward) - key(against))).sum([1, 2]) * architecture.attentionScale(head.layer)
    }

    /// What the queries of some heads see of the residual stream: the row space of their stacked readings.
    public static func rowSpace(_ heads: [Head], in model: LanguageModel) throws -> RowSpace {
        let readings = try heads.map { try model.queryReading(layer: $0.layer, head: $0.index) }
        return try RowSpace(of: Tensor.concatenated(readings, 0))
    }
}
