import SutureModels
import SutureTensor
import SutureTokenizers

/// Repairs failures of a model one after another: a method proposes, and nothing counts but what the
/// patched model then writes when nobody leads it.
///
/// An earlier repair must hold: a later one that would undo it is abandoned. An abandoned failure
/// leaves nothing behind.
public struct Repair {
    public let model: LanguageModel
    public let tokenizer: Tokenizer
    public let method: any RepairMethod
    public let workshop: Workshop
    public var limits = Guard()
    /// The texts on which side effects are measured.
    public var guardTexts = Texts.guards
    /// Called with what is being done, how much of it is done, and of how much.
    public var progress: (_ activity: String, _ done: Int, _ of: Int) -> Void = { _, _, _ in }

    /// What came out: the change that fixes the failures, and the evidence.
    public struct Result: Sendable {
        public let change: WeightChange
        /// The same by failure: its number in the list, from 0, and what was changed for it.
        public let steps: [(failure: Int, change: WeightChange)]
        public let report: RepairReport
    }

    /// Prepares the workshop for the method: once for a model, not for each failure.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - tokenizer: its tokenizer.
    ///   - method: what proposes the changes.
    ///   - reserved: neurons that belong to patches the model has; a repair takes others.
    ///   - cache: where statistics of the model on reference texts are kept; nil computes them anew.
    ///   - progress: told what is being done, how much of it is done, and of how much.
    public init(
        _ model: LanguageModel, _ tokenizer: Tokenizer, method: any RepairMethod = Recruit(),
        reserved: Set<Neuron> = [], cache: StatisticsCache? = nil,
        progress: @escaping (_ activity: String, _ done: Int, _ of: Int) -> Void = { _, _, _ in }
    ) throws {
        self.model = model
        self.tokenizer = tokenizer
        self.method = method
        self.progress = progress
        let texts = Texts.reference.map { Array(tokenizer.encode($0).ids.prefix(model.architecture.contextLength)) }
        workshop = try method.prepare(
            model, texts: texts, reserved: reserved, cache: cache,
            progress: { progress("reading reference texts", $0, $1) })
    }

    /// Repairs `failures` in their order.
    public func run(_ failures: [Failure], modelName: String) throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        var change = WeightChange()
        var steps: [(failure: Int, change: WeightChange)] = []
        var outcomes: [RepairReport.Outcome] = []
        var held: [HeldAnswer] = []
        var changed: [Neuron: RepairReport.ChangedNeuron] = [:]
        for (index, failure) in failures.enumerated() {
            progress("repairing", index, failures.count)
            let tokenized = try TokenizedFailure(failure, tokenizer)
            let began = clock.now
            var (outcome, proposal) = try attempt(failure, tokenized, change, &held)
            outcome.seconds = (clock.now - began) / .seconds(1)
            if outcome.status == .fixed {
                change = try change.adding(proposal.change)
                steps.append((index, proposal.change))
                for neuron in try describe(change, tokenized, proposal.places) { changed[neuron.neuron] = neuron }
            }
            if outcome.status != .abandoned { held.append(HeldAnswer(tokenized, number: index + 1)) }
            outcomes.append(outcome)
            progress("repairing", index + 1, failures.count)
        }
        let effects = try measure(change, on: guardTexts, "checking side effects")
        let heldOut = try measure(change, on: Texts.heldOut, "checking held-out text")
        // The guard texts are many and short, the held-out ones few and long: perplexity is judged on the latter.
        var judged = effects
        judged.perplexityBefore = heldOut.perplexityBefore
        judged.perplexityAfter = heldOut.perplexityAfter
        let report = RepairReport(
            model: modelName, method: method.name, options: method.options, failures: outcomes,
            neurons: change.neurons.compactMap { changed[$0.neuron] }, matrices: try change.matrices.map(describe),
            numbers: change.count, norm: try change.norm, sideEffects: effects, heldOut: heldOut, limits: limits,
            objections: limits.objections(judged), seconds: (clock.now - start) / .seconds(1))
        return Result(change: change, steps: steps, report: report)
    }

    private func measure(_ change: WeightChange, on texts: [String], _ activity: String) throws -> SideEffects {
        try SideEffects.measure(change, on: model, texts: texts.map { tokenizer.encode($0).ids }) {
            progress(activity, $0, $1)
        }
    }

    /// Tries one failure on top of the change so far.
    private func attempt(
        _ failure: Failure, _ tokenized: TokenizedFailure, _ change: WeightChange, _ held: inout [HeldAnswer]
    ) throws -> (RepairReport.Outcome, Proposal) {
        let limit = model.architecture.contextLength
        guard tokenized.led.count <= limit else {
            let reason = "prompt and answer do not fit the model: \(tokenized.led.count) tokens of at most \(limit)"
            return (RepairReport.Outcome(failure, abandoned: reason), Proposal().abandoning(reason))
        }
        let present = try model.applying(change)
        let (before, written) = try present.answer(tokenized)
        var proposal = Proposal()
        var patched = present
        var status = RepairReport.Status.right
        if written != tokenized.answer {
            proposal = try method.propose(tokenized, in: workshop, on: present)
            if proposal.abandoned == nil {
                let merged = try change.adding(proposal.change)
                patched = try model.applying(merged)
                proposal = try checked(proposal, patched, merged, tokenized, &held)
            }
            status = proposal.abandoned == nil ? .fixed : .abandoned
            if status == .abandoned { patched = present }
        }
        let after = status == .fixed ? try patched.read(tokenized) : before
        let outcome = RepairReport.Outcome(
            prompt: failure.prompt, expected: failure.expected, before: tokenizer.decode(written),
            after: tokenizer.decode(status == .fixed ? tokenized.answer : written), status: status,
            reason: proposal.abandoned,
            tokens: tokenized.answer.indices.map { place in
                RepairReport.Token(
                    text: text(tokenized.answer[place]), before: before.probabilities[place],
                    after: after.probabilities[place],
                    topBefore: text(before.top[place]), topAfter: text(after.top[place]))
            },
            neurons: proposal.change.neurons.map(\.neuron), layers: proposal.change.matrices.map(\.layer).sorted(),
            steps: proposal.steps, notes: proposal.notes, seconds: 0)
        return (outcome, proposal)
    }

    /// Lets the patched model write freely, and asks for the earlier answers again.
    private func checked(
        _ proposal: Proposal, _ patched: LanguageModel, _ change: WeightChange, _ failure: TokenizedFailure,
        _ held: inout [HeldAnswer]
    ) throws -> Proposal {
        let written = try patched.write(failure)
        guard written == failure.answer else {
            return proposal.abandoning(
                "written freely, the answer was still \(Visible.quoted(tokenizer.decode(written)))")
        }
        for index in held.indices where try !held[index].holds(in: model, with: change) {
            return proposal.abandoning("it would undo the answer to failure \(held[index].number)")
        }
        return proposal
    }

    /// What the neurons that have a place in the answer write, more than before, where its token is written.
    private func describe(_ change: WeightChange, _ failure: TokenizedFailure, _ places: [Neuron: Int]) throws
        -> [RepairReport.ChangedNeuron]
    {
        let layers = places.keys.map(\.layer)
        let trace = try model.trace(
            [failure.led], capturing: layers.map(Site.mlpHidden), from: layers.min() ?? model.architecture.layers)
        return try change.neurons.compactMap { edit in
            try places[edit.neuron].map { try describe(edit, trace, position: failure.places.lowerBound + $0) }
        }
    }

    private func describe(_ edit: NeuronEdit, _ trace: Trace, position: Int) throws -> RepairReport.ChangedNeuron {
        let layer = edit.neuron.layer
        let before = try model.writeVector(edit.neuron)
        let old = try trace[.mlpHidden(layer)].selected(1, position).selected(1, edit.neuron.index).item()
        let new =
            try edit.read.map { change in
                let read = try model.readVectors(edit.neuron) + change
                return try model.activation(of: edit.neuron, reading: read, trace.mlpInput(layer).selected(1, position))
                    .item()
            } ?? old
        let written = try (before + edit.delta) * new - before * old
        let pushed = try model.head.linear((written * model.finalGain).unsqueezed(0)).squeezed(1)
        return RepairReport.ChangedNeuron(
            neuron: edit.neuron, rereads: edit.read != nil, change: try edit.delta.norm().item(),
            length: try before.norm().item(), activation: new, promotes: try pushed.top(6).indices.ints().map(text),
            demotes: try (-pushed).top(6).indices.ints().map(text))
    }

    private func describe(_ delta: MatrixDelta) throws -> RepairReport.ChangedMatrix {
        RepairReport.ChangedMatrix(
            layer: delta.layer, rank: delta.rank, change: try delta.energy.squareRoot(),
            length: try model.writeVectors(layer: delta.layer).square().sum().item().squareRoot())
    }

    private func text(_ token: Int) -> String { tokenizer.decode([token]) }
}

/// Text inside a message.
enum Visible {
    static func quoted(_ text: String) -> String {
        let short = text.count > 60 ? text.prefix(60) + "..." : Substring(text)
        return "\"" + short.replacing("\n", with: "\\n") + "\""
    }
}
