import SutureModels
import SutureTasks
import SutureTokenizers

/// How a model does on questions that no repair has seen, before and after one: the side effect that Gu et al. measure
/// (STAR, arXiv 2503.12899).
public struct HeldOutReading: Sendable, Codable, Equatable {
    public var questions: Int
    /// The share of right tokens under teacher forcing, averaged over questions.
    public var tokens: Double
    /// How many answers come out right under greedy decoding.
    public var right: Int
    /// Of these answers.
    public var bleu: BLEU.Counts
}

/// The held-out questions of one task, as the original model reads and answers them.
final class HeldOutContext {
    private let model: LanguageModel
    private let tokenizer: Tokenizer
    private let questions: [(failure: TokenizedFailure, frame: Frame, written: FreeAnswer)]
    /// Runs of the original model along the right answers and along what it writes; they reach down to `lowest`.
    private var runs: [(right: ReferenceRun, written: ReferenceRun)] = []
    private var lowest: Int
    /// How the original model does.
    let before: HeldOutReading

    init(_ questions: [Question], _ model: LanguageModel, _ tokenizer: Tokenizer) throws {
        self.model = model
        self.tokenizer = tokenizer
        lowest = model.architecture.layers
        let asked = questions.compactMap { question in
            (try? TokenizedFailure(question.failure, tokenizer)).map { ($0, question.frame) }
        }.filter { $0.0.forced.count <= model.architecture.contextLength }
        var shares: [Double] = []
        self.questions = try asked.map { failure, frame in
            let scores = try model.scores(failure)
            shares.append(1 - Double(scores.wrong(failure.answer).count) / Double(failure.answer.count))
            return (failure, frame, try Self.write(failure, frame, model, tokenizer))
        }
        before = Self.reading(
            self.questions.map { ($0.frame.text($0.failure.answer, tokenizer), $0.written.text) }, shares)
    }

    private static func write(
        _ failure: TokenizedFailure, _ frame: Frame, _ model: LanguageModel, _ tokenizer: Tokenizer
    ) throws -> FreeAnswer {
        try FreeAnswer(
            model.trace([failure.prompt]), frame, expecting: failure.answer.count, tokenizer)
    }

    /// How the model does under a change. A greedy answer stays as it is where each of its tokens does.
    func after(_ change: WeightChange) throws -> HeldOutReading {
        guard let layer = change.lowestLayer else { return before }
        if layer < lowest || runs.isEmpty {
            lowest = min(lowest, layer)
            runs = []
            for (failure, _, written) in questions {
                let along = TokenizedFailure(prompt: failure.prompt, answer: written.tokens)
                runs.append(
                    (try ReferenceRun(model, failure, from: lowest), try ReferenceRun(model, along, from: lowest)))
            }
        }
        var changed: LanguageModel?
        var shares: [Double] = []
        var answers: [(expected: String, written: String)] = []
        for ((failure, frame, written), run) in zip(questions, runs) {
            shares.append(try run.right.share(of: failure.answer, change))
            let expected = frame.text(failure.answer, tokenizer)
            guard try run.written.share(of: written.tokens, change) < 1 else {
                answers.append((expected, written.text))
                continue
            }
            let patched = try changed ?? model.applying(change)
            changed = patched
            // What cannot be written at all scores nothing.
            let now = try finite { try Self.write(failure, frame, patched, tokenizer) }
            answers.append((expected, now?.text ?? ""))
        }
        return Self.reading(answers, shares)
    }

    private static func reading(
        _ answers: [(expected: String, written: String)], _ shares: [Double]
    ) -> HeldOutReading {
        var counts = BLEU.Counts()
        for (expected, written) in answers { counts += BLEU().counts(written, expected) }
        return HeldOutReading(
            questions: answers.count, tokens: shares.reduce(0, +) / Double(max(1, shares.count)),
            right: shares.count { $0 == 1 }, bleu: counts)
    }
}
