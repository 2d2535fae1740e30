import SutureModels
import SutureTasks
import SutureTensor
import SutureTokenizers

/// What all repairs of an evaluation share: the methods, prepared, and runs of the original model on unrelated texts.
final class EvaluationContext {
    let evaluation: RepairEvaluation
    private var methods: [Int: PreparedMethod] = [:]
    private var guards: [ReferenceRun]?
    private var heldOut: [Int: HeldOutContext] = [:]
    private var checks: [SyntaxCheck.Language: SyntaxCheck] = [:]

    init(_ evaluation: RepairEvaluation) {
        self.evaluation = evaluation
        for language in Set(evaluation.tasks.compactMap(\.language)) { checks[language] = SyntaxCheck(language) }
    }

    private func tokens(_ texts: [String]) -> [[Int]] {
        Texts.tokens(texts, evaluation.tokenizer, for: evaluation.model).filter { !$0.isEmpty }
    }

    /// The texts by which methods judge how specific a neuron is.
    var referenceTexts: [[Int]] { tokens(evaluation.texts) }

    /// The questions of a task that are held out; nil where they are not studied.
    func heldOut(_ task: Int) throws -> HeldOutContext? {
        guard evaluation.settings.studies.contains(.heldOut) else { return nil }
        if let ready = heldOut[task] { return ready }
        let each = evaluation.tasks[task]
        let context = try HeldOutContext(
            Array(each.questions[evaluation.repaired(each).upperBound...]), evaluation.model, evaluation.tokenizer)
        heldOut[task] = context
        return context
    }

    func method(_ number: Int) throws -> PreparedMethod {
        if let ready = methods[number] { return ready }
        let made = try evaluation.methods[number].prepared(
            RepairMaterial(
                evaluation.model, texts: referenceTexts, restated: Texts.restated(evaluation.tokenizer),
                statistics: evaluation.statistics))
        methods[number] = made
        return made
    }

    /// The unrelated texts, as the original model reads them.
    func guardRuns() throws -> [ReferenceRun] {
        if let guards { return guards }
        let texts = tokens(evaluation.unrelated).sorted { $0.count < $1.count }
        let runs = try stride(from: 0, to: texts.count, by: 8).map { start in
            try ReferenceRun(evaluation.model, Array(texts[start..<min(start + 8, texts.count)]))
        }
        guards = runs
        return runs
    }

    /// Whether an answer is well-formed, where that can be asked.
    func isWellFormed(_ answer: String, task: Int) throws -> Bool? {
        guard !evaluation.settings.firstToken, let language = evaluation.tasks[task].language,
            let check = checks[language]
        else { return nil }
        return switch try check(Answer(answer).text + "\n") {
        case .valid: true
        case .invalid: false
        case .undecided: nil
        }
    }

    func subject(_ item: EvaluationLog.Place) throws -> RepairSubject { try RepairSubject(item, self) }
}

/// A question of an evaluation: the original model's run of it, and of all that a repair of it is measured on.
struct RepairSubject {
    private let item: EvaluationLog.Place
    private let context: EvaluationContext
    private let question: Question
    /// The whole answer, or what is repaired of it.
    private var failure: TokenizedFailure
    private var trace: Trace?
    /// How long the run took that ``trace`` is of: a part of each repair.
    private var traceSeconds = 0.0
    private var variants: [(kind: Question.Variant, answer: [Int], run: ReferenceRun)] = []
    private var related: [NeighbourRun] = []
    private var nearMisses: [NeighbourRun] = []
    private var unasked: String?
    private var original: Answered?

    private var model: LanguageModel { context.evaluation.model }
    private var tokenizer: Tokenizer { context.evaluation.tokenizer }

    init(_ item: EvaluationLog.Place, _ context: EvaluationContext) throws {
        self.item = item
        self.context = context
        question = context.evaluation.tasks[item.task].questions[item.question]
        do {
            failure = try TokenizedFailure(question.failure, variedBy: context.evaluation.tokenizer)
        } catch let error as TaskError {
            (failure, unasked) = (TokenizedFailure(prompt: [], answer: []), error.problem)
            return
        }
        guard fits(failure) else {
            unasked = "prompt and answer are longer than the model's context"
            return
        }
        let clock = ContinuousClock()
        let start = clock.now
        let whole = try model.trace([failure.forced])
        traceSeconds = (clock.now - start) / .seconds(1)
        guard context.evaluation.settings.firstToken,
            let wrong = try whole.scores(failure).wrong(failure.answer).first
        else {
            trace = whole
            return
        }
        failure = failure.part(at: wrong)
        trace = try whole.prefix(failure.prompt.count)
    }

    private func fits(_ failure: TokenizedFailure) -> Bool { failure.forced.count <= model.architecture.contextLength }

    /// Asks the original model; of a failure, its variants too.
    mutating func ask() throws -> AskedRecord {
        var record = AskedRecord(
            task: item.task, question: item.question, prompt: tokenizer.decode(failure.prompt),
            expected: question.frame.text(failure.answer, tokenizer), written: "", isRight: false,
            reading: AnswerReading(tokens: failure.answer.count, right: 0, logProbability: 0), variants: [:],
            firstWrong: 0, unasked: unasked)
        guard let trace else { return record }
        let answer = try unchanged(trace)
        (record.isRight, record.written, record.reading) = (answer.isRight, answer.text, answer.reading)
        guard !record.isRight else { return record }
        try lookAround()
        for variant in variants { record.variants[variant.kind.rawValue] = try variant.run.share(of: variant.answer) }
        record.firstWrong = try wrongPlace()
        // Gradients do not go through all layers where processes share them.
        record.passSeconds = try model.isSplit ? nil : passSeconds()
        return record
    }

    /// Repairs the failure, and measures what the repair changes.
    mutating func repair(_ method: Int) throws -> RepairRecord {
        guard let trace else { throw RepairError(.badRequest, "there is nothing to repair") }
        let prepared = try context.method(method)
        let clock = ContinuousClock()
        let start = clock.now
        let proposal = try prepared.propose([TeacherForcedRun(failure, trace)])
        let seconds = traceSeconds + (clock.now - start) / .seconds(1)
        var abandoned = proposal.abandoned
        var change = abandoned == nil ? proposal.change : WeightChange()
        let changed = try change.isEmpty ? nil : finite { try answered(in: trace.applying(change)) }
        if changed == nil, !change.isEmpty {
            abandoned = "with it the model's scores are not numbers"
            change = WeightChange()
        }
        let answer = try changed ?? unchanged(trace)
        try lookAround()
        var record = RepairRecord(
            task: item.task, question: item.question, method: method, seconds: seconds,
            abandoned: abandoned, written: answer.text, isFixed: answer.isRight, reading: answer.reading,
            variants: [:], unrelated: Divergence(), related: Divergence(), neurons: change.neurons.count,
            matrices: change.matrices.count, numbers: change.count, norm: try change.norm, steps: proposal.steps)
        for variant in variants {
            record.variants[variant.kind.rawValue] = try variant.run.share(
                of: variant.answer, change.isEmpty ? nil : change)
        }
        if let heldOut = try context.heldOut(item.task) {
            record.heldOut = .init(before: heldOut.before, after: try heldOut.after(change))
        }
        if !change.isEmpty {
            record.unrelated = try Divergence(context.guardRuns(), change)
            record.related = try Divergence(related.map(\.run), change)
        }
        record.neighbours = try NeighbourCounts(related + nearMisses, change)
        return record
    }

    /// Which token of the whole answer is the first that the original model gets wrong, from 0.
    private func wrongPlace() throws -> Int {
        let whole = try TokenizedFailure(question.failure, tokenizer)
        let within = failure.prompt.count - whole.prompt.count
        guard let trace, within == 0 else { return within }
        return try trace.scores(failure).wrong(failure.answer).first ?? 0
    }

    /// How a run answers the question.
    private struct Answered {
        /// Whether as many tokens as the answer has are the answer.
        let isRight: Bool
        /// What is compared as text: a whole answer goes on to where the model ends it, so that no length is given away.
        let text: String
        let reading: AnswerReading
    }

    private func answered(in run: Trace) throws -> Answered {
        let (scores, written) = try run.answer(failure)
        let isRight = written == failure.answer
        var (text, isWhole) = (question.frame.text(written, tokenizer), true)
        if !isRight, !context.evaluation.settings.firstToken {
            let free = try FreeAnswer(
                run.prefix(failure.prompt.count), question.frame, expecting: failure.answer.count, tokenizer)
            (text, isWhole) = (free.text, free.isEnded)
        }
        let targets = try Tensor(failure.answer, shape: [failure.answer.count, 1], device: model.device)
        let logProbability = try scores.logits.logSoftmax().gathered(1, at: targets).sum().item()
        return Answered(
            isRight: isRight, text: text,
            reading: AnswerReading(
                tokens: failure.answer.count, right: failure.answer.count - scores.wrong(failure.answer).count,
                logProbability: logProbability,
                isWellFormed: try isWhole ? context.isWellFormed(text, task: item.task) : nil))
    }

    /// How the original model answers.
    private mutating func unchanged(_ trace: Trace) throws -> Answered {
        let found = try original ?? answered(in: trace)
        original = found
        return found
    }

    /// Runs the original model on the question's variants and its neighbours.
    private mutating func lookAround() throws {
        guard variants.isEmpty, related.isEmpty, nearMisses.isEmpty else { return }
        let whole = try TokenizedFailure(question.failure, tokenizer)
        for kind in try question.variants {
            // The same answer may be other tokens behind another prompt: there the same repair cannot be looked for.
            guard var variant = try? TokenizedFailure(question.failure(kind), tokenizer), fits(variant),
                variant.answer == whole.answer
            else { continue }
            if context.evaluation.settings.firstToken {
                variant = variant.part(at: failure.prompt.count - whole.prompt.count)
            }
            variants.append((kind, variant.answer, try ReferenceRun(model, variant)))
        }
        related = try neighbours(question.relatedFailures, of: whole)
        nearMisses = try neighbours(question.nearMissFailures, of: whole)
    }

    private func neighbours(_ questions: [Failure], of whole: TokenizedFailure) throws -> [NeighbourRun] {
        let known = failure.prompt.count - whole.prompt.count
        let repaired = Array(whole.answer.prefix(known + failure.answer.count))
        return try questions.compactMap { try? TokenizedFailure($0, tokenizer) }.filter(fits).map {
            try NeighbourRun(model, $0, repaired: repaired, known: known)
        }
    }

    /// What one forward and one backward pass of the prompt cost: the unit in which a repair's time is told.
    private func passSeconds() throws -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        let leaf = try Tensor.zeros([1, failure.prompt.count, model.architecture.width], device: model.device).tracked()
        let logits = try model.run([failure.prompt], [Intervention(.residual(0), .add(leaf))]).logits
        _ = try logits.logSoftmax().selected(1, failure.answer[0]).sum().gradients(of: [leaf])
        return (clock.now - start) / .seconds(1)
    }
}
