import SutureModels
import SutureTensor
import SutureTokenizers

/// Repairs failures of a model one after another: a method proposes, and nothing counts but what the
/// patched model then writes under greedy decoding.
///
/// An earlier repair must hold, of this list or of a patch that the model has (``earlier``): one that would undo it is tried
/// again, kept away from the answers that it would undo, and then abandoned. An abandoned failure leaves nothing behind.
public struct Repair {
    public let model: LanguageModel
    public let tokenizer: Tokenizer
    public let method: PreparedMethod
    public var limits = Guard()
    /// How much all repairs together may change.
    public var budget = Budget()
    /// How many failures are repaired together, by methods that can (``JointRepairMethod``).
    public var batch = 1
    /// What patches of the model have repaired (`PatchStack.repaired`): answers that are right have to stay so.
    public var earlier: [Failure] = []
    /// Cases that must hold: an answer of these that is right has to stay so.
    public var guardCases: [Failure] = []
    /// The texts on which side effects are measured.
    public var guardTexts = Texts.guards
    /// Called with what is being done, how much of it is done, and of how much.
    public var progress: ProgressHandler = { _, _, _ in }
    /// Called with the change that fixes the failures as soon as it is found; what else it does is measured afterwards.
    public var found: (WeightChange) throws -> Void = { _ in }

    /// What came out: the change that fixes the failures, and the evidence.
    public struct Result: Sendable {
        public let change: WeightChange
        /// The same in the order in which it came about: what was changed for which failures, by their numbers from 0.
        public let steps: [(failures: [Int], change: WeightChange)]
        public var report: RepairReport
    }

    /// Prepares the method: once for a model, not for each failure.
    ///
    /// - Parameters:
    ///   - model: the model.
    ///   - tokenizer: its tokenizer.
    ///   - method: what proposes the changes.
    ///   - texts: what the method takes statistics of: the built-in reference texts, or those of a corpus.
    ///   - reserved: neurons that belong to patches the model has; a repair takes others.
    ///   - statistics: where statistics of the model on reference texts are kept; nil computes them anew.
    ///   - progress: told what is being done, how much of it is done, and of how much.
    public init(
        _ model: LanguageModel, _ tokenizer: Tokenizer, method: any RepairMethod = Recruit(),
        texts: [String] = Texts.reference,
        reserved: Set<Neuron> = [], statistics: (any StatisticsSource)? = nil,
        progress: @escaping ProgressHandler = { _, _, _ in }
    ) throws {
        self.model = model
        self.tokenizer = tokenizer
        self.progress = progress
        let texts = Texts.tokens(texts, tokenizer, for: model)
        self.method = try method.prepared(
            RepairMaterial(
                model, texts: texts, restated: Texts.restated(tokenizer), reserved: reserved, statistics: statistics,
                progress: progress))
    }

    /// Repairs `failures` in their order.
    ///
    /// Failures of a batch that cannot be repaired together are repaired one after another.
    ///
    /// Throws ``RepairError`` with code `badRequest` for batches where the method repairs one failure at a time, and
    /// `TaskError` for a failure that cannot be split into tokens, before anything is repaired.
    public func run(_ failures: [Failure], modelName: String) throws -> Result {
        let method = method.method
        guard batch == 1 || (batch > 1 && method is any JointRepairMethod) else {
            throw RepairError(
                .badRequest, "the method \(method.name) repairs one failure at a time", expected: "batches of 1",
                found: "\(batch)")
        }
        let attempts = try failures.enumerated().map { index, failure in
            do {
                return Attempt(number: index, failure, try TokenizedFailure(failure, variedBy: tokenizer))
            } catch let error as TaskError where failures.count > 1 {
                throw error.about("failure \(index + 1)")
            }
        }
        let clock = ContinuousClock()
        let start = clock.now
        var ledger = RepairLedger()
        let held = try hold(earlier, "asking what patches repaired", &ledger) { .patch($0) }
        let guarded = try hold(guardCases, "asking guard cases", &ledger) { .guardCase($0 + 1) }
        let kept = failures.enumerated().flatMap { number, failure in failure.keep.map { (number: number, case: $0) } }
        let keeping = try hold(kept.map(\.case), "asking what is to be kept", &ledger) {
            .kept(by: kept[$0].number + 1)
        }
        for first in stride(from: 0, to: failures.count, by: batch) {
            progress("repairing", first, failures.count)
            let group = first..<min(first + batch, failures.count)
            try attempt(Array(attempts[group]), &ledger)
            progress("repairing", group.upperBound, failures.count)
        }
        for (place, (number, question)) in kept.enumerated() where !keeping.contains(place) {
            ledger.outcomes[number]?.notes.append(
                "not kept, since the model did not answer it so: \(Visible.quoted(String(question.prompt.suffix(60))))")
        }
        let change = ledger.change
        try found(change)
        let effects = try measure(change, on: guardTexts, "checking side effects")
        let heldOut = try measure(change, on: Texts.heldOut, "checking held-out text")
        // The guard texts are many and short, the held-out ones few and long: perplexity is judged on the latter.
        var judged = effects
        judged.perplexityBefore = heldOut.perplexityBefore
        judged.perplexityAfter = heldOut.perplexityAfter
        let report = RepairReport(
            model: modelName, method: method.name, options: method.options,
            failures: failures.indices.compactMap { ledger.outcomes[$0] },
            earlier: earlier.isEmpty ? nil : .init(asked: earlier.count, held: held.count),
            guardCases: guardCases.isEmpty
                ? nil
                : .init(
                    asked: guardCases.count, held: guarded.count,
                    missed: guardCases.indices.filter { !guarded.contains($0) }.map { guardCases[$0].prompt }),
            neurons: change.neurons.compactMap { ledger.changed[$0.neuron] },
            matrices: try change.matrices.map(describe), numbers: change.count,
            relativeNorm: try model.relativeNorm(of: change), sideEffects: effects, heldOut: heldOut, limits: limits,
            objections: limits.objections(judged), seconds: (clock.now - start) / .seconds(1))
        return Result(change: change, steps: ledger.steps, report: report)
    }

    /// Asks the model; what it answers rightly has to stay so.
    ///
    /// - Returns: the places of these.
    private func hold(
        _ cases: [Failure], _ activity: String, _ ledger: inout RepairLedger, as source: (Int) -> HeldAnswer.Source
    ) throws -> Set<Int> {
        var held: Set<Int> = []
        for (index, failure) in cases.enumerated() {
            progress(activity, index, cases.count)
            // What a patch says that this tokenizer or model cannot be asked is not an answer that could be lost.
            guard let tokenized = try? TokenizedFailure(failure, tokenizer),
                tokenized.forced.count <= model.architecture.contextLength,
                let trace = try finite({ try model.trace([tokenized.forced]) }),
                let (scores, written) = try finite({ try trace.answer(tokenized) }),
                written == tokenized.answer, scores.wrong(tokenized.answer).isEmpty
            else { continue }
            try ledger.hold(tokenized, of: source(index), trace)
            held.insert(index)
        }
        return held
    }

    func measure(_ change: WeightChange, on texts: [String], _ activity: String) throws -> SideEffects {
        try SideEffects.measure(change, on: model, texts: texts.map { tokenizer.encode($0, specials: .opening).ids }) {
            progress(activity, $1, $2)
        }
    }
}
