import SutureModels
import SutureTensor

/// A failure alone and behind some openings, under teacher forcing: what is learned of a layer there should not hold
/// behind one text only. They are run together, so that weights are read once for all.
struct EditContexts {
    let failure: TokenizedFailure
    /// The prompt alone, behind the openings, and the subject alone, where there is one.
    private let trace: Trace
    /// The position at which the edit is looked up in each context: the subject's last token, or else the prompt's.
    let lookups: [Int]
    /// How many tokens more than the failure's prompt stands before the answer in each context.
    private let offsets: [Int]
    /// The subject alone: its row, its last token, and log p0 of what comes after it, `[1, vocabulary]`.
    private let subject: (row: Int, lookup: Int, before: Tensor)?

    var model: LanguageModel { trace.model }

    /// Openings with which the text does not fit the model are left out.
    ///
    /// - Parameters:
    ///   - asked: the failure and its run.
    ///   - openings: what stands before the prompt in turn.
    ///   - isRetold: whether the prompt is also asked in other orders of its words (``TokenizedFailure/retold``).
    ///   - sites: what is captured.
    ///   - layer: the lowest layer that matters.
    init(
        _ asked: TeacherForcedRun, behind openings: [[Int]], isRetold: Bool = false, capturing sites: [Site],
        from layer: Int
    ) throws {
        let (failure, model) = (asked.failure, asked.model)
        let room = model.architecture.contextLength - failure.forced.count
        let fitting = openings.filter { !$0.isEmpty && $0.count <= room }
        self.failure = failure
        // What the tokenizer begins texts with stands at the beginning only.
        let body = Array(failure.prompt.dropFirst(failure.opening))
        let lookup = failure.lookup - failure.opening
        var behind = fitting.map { (opening: $0, prompt: body, lookup: lookup) }
        if isRetold {
            let opening = fitting.last ?? Array(failure.prompt[..<failure.opening])
            behind += failure.retold.map { (opening, $0.prompt, $0.lookup) }
        }
        offsets = [0] + behind.map { [failure] in $0.opening.count + $0.prompt.count - failure.prompt.count }
        lookups = [failure.lookup] + behind.map { $0.opening.count + $0.lookup }
        let contexts =
            [failure.forced] + behind.map { $0.opening + $0.prompt + failure.forced[failure.prompt.count...] }
        let alone = failure.subject.map { Array(failure.prompt[..<failure.opening] + failure.prompt[$0]) }
        let trace = try model.trace(contexts + (alone.map { [$0] } ?? []), capturing: sites, from: layer)
        self.trace = trace
        let row = contexts.count
        subject = try alone.map {
            (row: row, lookup: $0.count - 1, before: try trace.logits.narrowed(0, row..<row + 1).logSoftmax())
        }
    }

    /// The values of each context at its lookup, `[contexts, width]`; the first is that of the prompt alone.
    func lookedUp(_ site: Site) throws -> Tensor { try lookedUp(in: trace[site]) }

    /// What the MLP of a layer reads there, `[contexts, d]`.
    func mlpInputs(_ layer: Int) throws -> Tensor { try lookedUp(in: trace.mlpInput(layer)) }

    /// The same of some sites in the changed model; layers above them are not run.
    func lookedUp(_ sites: [Site], under change: WeightChange) throws -> [Tensor] {
        if change.isEmpty { return try sites.map(lookedUp) }
        let run = try trace.replay(
            prompts: Array(lookups.indices), change: change, capturing: sites, logits: .none)
        return try sites.map { try lookedUp(in: run[$0]) }
    }

    private func lookedUp(in values: Tensor) throws -> Tensor { try Self.picked(values, lookups.map { [$0] }) }

    /// The mean cross-entropy of the answer over all contexts, with `delta` `[d]` added at the lookups of a site; and
    /// `divergence` times KL(p || p0) of what comes after the subject alone, with it and without.
    func loss(adding delta: Tensor, at site: Site, divergence: Double = 0) throws -> Tensor {
        let last = Site.residual(model.architecture.layers)
        let subject = divergence > 0 ? subject : nil
        let positions = lookups + (subject.map { [$0.lookup] } ?? [])
        let run = try trace.replay(
            prompts: Array(positions.indices),
            [Intervention(site, at: .each(positions), .add(try delta.reshaped([1, 1, -1])))], capturing: [last],
            logits: .none)
        let answered = offsets.map { offset in failure.places.map { $0 + offset - run.firstPosition } }
        let logits = try model.logits(ofResidual: Self.picked(run[last], answered))
        let targets = try Tensor(offsets.flatMap { _ in failure.answer }, device: model.device)
        let loss = try logits.crossEntropy(targets)
        guard let subject else { return loss }
        let residual = try run[last].selected(0, subject.row).selected(0, subject.lookup - run.firstPosition)
        let now = try model.logits(ofResidual: residual.unsqueezed(0)).logSoftmax()
        return try loss + (now.exp() * (now - subject.before)).sum() * divergence
    }

    /// The log odds of each token of the answer, log p - log (1 - p), in each context, `[contexts, answer]`, with a vector of
    /// its own, of `vectors` `[contexts, d]`, added at the context's lookup of a site.
    func odds(adding vectors: Tensor, at site: Site) throws -> Tensor {
        let last = Site.residual(model.architecture.layers)
        let run = try trace.replay(
            prompts: Array(lookups.indices),
            [Intervention(site, at: .each(lookups), .add(try vectors.unsqueezed(1)))], capturing: [last], logits: .none)
        let answered = offsets.map { offset in failure.places.map { $0 + offset - run.firstPosition } }
        let logits = try model.logits(ofResidual: Self.picked(run[last], answered))
        let count = failure.answer.count
        let targets = try Tensor(
            offsets.flatMap { _ in failure.answer }, shape: [offsets.count * count, 1], device: model.device)
        let vocabulary = try Tensor.arange(0..<model.architecture.vocabulary).to(model.device)
        let others = try logits.filled(-.infinity, where: targets .== vocabulary).logSumExp(1)
        return try (logits.gathered(1, at: targets).squeezed(1) - others).reshaped([offsets.count, count])
    }

    /// The values `[rows, positions, width]` at some positions of each of the first rows, `[rows * positions, width]`.
    private static func picked(_ values: Tensor, _ positions: [[Int]]) throws -> Tensor {
        let (count, width) = (values.shape[1], values.shape[2])
        let indices = positions.enumerated().flatMap { row, positions in positions.map { row * count + $0 } }
        return try values.reshaped([-1, width]).indexSelected(0, at: indices)
    }
}

extension TokenizedFailure {
    /// Where an edit of the failure is looked up: at the last token of its subject, or else of its prompt.
    var lookup: Int { (subject?.upperBound ?? prompt.count) - 1 }

    /// The prompt in other orders, without what the tokenizer begins texts with, and where the subject's last token stands
    /// there: the subject before all other words, and the subject with nothing but the last word. What brings the answer
    /// out there, too, hangs less on how the question is put. None where no subject is named.
    var retold: [(prompt: [Int], lookup: Int)] {
        guard let subject, let last = prompt.last, subject.upperBound < prompt.count else { return [] }
        let name = prompt[subject]
        let rest = prompt[opening..<subject.lowerBound] + prompt[subject.upperBound...]
        return [name + rest, name + [last]].map { (Array($0), name.count - 1) }
    }

    /// What a report should say where there is no subject.
    var lookupNotes: [String] {
        subject == nil ? ["without a subject, the edit is looked up at the last token of the prompt"] : []
    }
}
