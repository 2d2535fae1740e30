import SutureModels
import SutureTensor

/// A failure alone and behind some openings, under teacher forcing: what is learned of a layer there should not hold
/// behind one text only.
struct EditContexts {
    let failure: TokenizedFailure
    let model: LanguageModel
    /// The prompt alone, then openings of equal lengths together: in each group the lookup is at one position, so that
    /// replays start there.
    private let groups: [Group]

    private struct Group {
        let trace: Trace
        /// The position at which the edit is looked up: the subject's last token, or else the prompt's.
        let lookup: Int
        /// The positions after which the answer's tokens come.
        let places: Range<Int>

        var rows: [Int] { Array(trace.tokens.indices) }
    }

    /// Openings with which the text does not fit the model are left out.
    init(
        _ asked: TeacherForcedRun, behind openings: [[Int]], capturing sites: [Site], from layer: Int
    ) throws {
        let (failure, model) = (asked.failure, asked.model)
        let room = model.architecture.contextLength - failure.forced.count
        let fitting = Dictionary(grouping: openings.filter { !$0.isEmpty && $0.count <= room }, by: \.count)
        self.failure = failure
        self.model = model
        groups = try ([[[]]] + fitting.sorted { $0.key < $1.key }.map(\.value)).map { openings in
            let isAlone = openings[0].isEmpty
            let offset = openings[0].count - (isAlone ? 0 : failure.opening)
            // What the tokenizer begins texts with stands at the beginning only.
            let text = failure.forced.dropFirst(isAlone ? 0 : failure.opening)
            return Group(
                trace: try isAlone
                    ? asked.trace.keeping(from: layer).capturing(sites)
                    : model.trace(openings.map { $0 + text }, capturing: sites, from: layer),
                lookup: offset + failure.lookup,
                places: offset + failure.places.lowerBound..<offset + failure.places.upperBound)
        }
    }

    /// The lookup's position in each context.
    var lookups: [Int] { groups.flatMap { group in group.rows.map { _ in group.lookup } } }

    /// The values of each context at its lookup, `[contexts, width]`; the first is that of the prompt alone.
    func lookedUp(_ site: Site) throws -> Tensor {
        try Tensor.concatenated(groups.map { try $0.trace[site].selected(1, $0.lookup) }, 0)
    }

    /// What the MLP of a layer reads there, `[contexts, d]`.
    func mlpInputs(_ layer: Int) throws -> Tensor {
        try Tensor.concatenated(groups.map { try $0.trace.mlpInput(layer).selected(1, $0.lookup) }, 0)
    }

    /// The same of some sites in the changed model; layers above them are not run.
    func lookedUp(_ sites: [Site], under change: WeightChange) throws -> [Tensor] {
        if change.isEmpty { return try sites.map(lookedUp) }
        let runs = try groups.map { group in
            try group.trace.replay(
                group.rows.map { Alternative(prompt: $0, change: change) }, capturing: sites, logits: .none)
        }
        return try sites.map { site in
            try Tensor.concatenated(zip(groups, runs).map { try $1[site].selected(1, $0.lookup) }, 0)
        }
    }

    /// The mean cross-entropy of the answer over all contexts, with `delta` `[d]` added at the lookups of a site.
    func loss(adding delta: Tensor, at site: Site) throws -> Tensor {
        let last = Site.residual(model.architecture.layers)
        let push = try delta.reshaped([1, 1, -1])
        let count = Double(lookups.count)
        let losses = try groups.map { group in
            let run = try group.trace.replay(
                prompts: group.rows, [Intervention(site, at: .at([group.lookup]), .add(push))], capturing: [last],
                logits: .none)
            let places = group.places.lowerBound - run.firstPosition..<group.places.upperBound - run.firstPosition
            let residual = try run[last].narrowed(1, places)
            let targets = try Tensor(group.rows.flatMap { _ in failure.answer }, device: model.device)
            let logits = try model.logits(ofResidual: residual.reshaped([-1, residual.shape[2]]))
            return try logits.crossEntropy(targets) * (Double(group.rows.count) / count)
        }
        return try Tensor.stacked(losses).sum()
    }
}

extension TokenizedFailure {
    /// Where an edit of the failure is looked up: at the last token of its subject, or else of its prompt.
    var lookup: Int { (subject?.upperBound ?? prompt.count) - 1 }

    /// What a report should say where there is no subject.
    var lookupNotes: [String] {
        subject == nil ? ["without a subject, the edit is looked up at the last token of the prompt"] : []
    }
}
