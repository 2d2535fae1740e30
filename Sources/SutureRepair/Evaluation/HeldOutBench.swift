import SutureModels
import SutureTasks
import SutureTokenizers

/// How a model does on questions that no repair has seen, before and after one: the side effect that Gu et al. measure
/// (STAR, arXiv 2503.12899).
public struct HeldOutReading: Sendable, Codable, Equatable {
    public var questions: Int
    /// The share of right tokens where the model is led along the answer, averaged over questions.
    public var tokens: Double
    /// How many answers are written freely as they should be.
    public var right: Int
    /// Of the answers that are written freely.
    public var bleu: BLEU.Counts
}

/// The held-out questions of one task, as the original model reads and answers them.
final class HeldOutBench {
    private let model: LanguageModel
    private let tokenizer: Tokenizer
    private let questions: [(failure: TokenizedFailure, written: [Int])]
    /// Runs of the original model along the right answers and along what it writes; they reach down to `lowest`.
    private var runs: [(right: ReferenceRun, written: ReferenceRun)] = []
    private var lowest: Int
    /// How the original model does.
    let before: HeldOutReading

    init(_ questions: [Question], _ model: LanguageModel, _ tokenizer: Tokenizer) throws {
        self.model = model
        self.tokenizer = tokenizer
        lowest = model.architecture.layers
        let failures = try questions.map { try TokenizedFailure($0.failure, tokenizer) }
            .filter { $0.led.count <= model.architecture.contextLength }
        var shares: [Double] = []
        self.questions = try failures.map { failure in
            let (reading, written) = try model.answer(failure)
            shares.append(1 - Double(reading.wrong(failure.answer).count) / Double(failure.answer.count))
            return (failure, written)
        }
        before = Self.reading(self.questions.map { ($0.failure, $0.written) }, shares, tokenizer)
    }

    /// How the model does under a change. A greedy answer stays as it is where each of its tokens does.
    func after(_ change: WeightChange) throws -> HeldOutReading {
        guard let layer = change.lowestLayer else { return before }
        if layer < lowest || runs.isEmpty {
            lowest = min(lowest, layer)
            runs = []
            for (failure, written) in questions {
                let along = TokenizedFailure(prompt: failure.prompt, answer: written)
                runs.append(
                    (try ReferenceRun(model, failure, from: lowest), try ReferenceRun(model, along, from: lowest)))
            }
        }
        var changed: LanguageModel?
        var shares: [Double] = []
        var answers: [(TokenizedFailure, [Int])] = []
        for ((failure, written), run) in zip(questions, runs) {
            shares.append(try run.right.share(of: failure.answer, change))
            guard try run.written.share(of: written, change) < 1 else {
                answers.append((failure, written))
                continue
            }
            let patched = try changed ?? model.applying(change)
            changed = patched
            answers.append((failure, try patched.write(failure)))
        }
        return Self.reading(answers, shares, tokenizer)
    }

    private static func reading(_ answers: [(TokenizedFailure, [Int])], _ shares: [Double], _ tokenizer: Tokenizer)
        -> HeldOutReading
    {
        var counts = BLEU.Counts()
        for (failure, written) in answers {
            counts += BLEU().counts(tokenizer.decode(written), tokenizer.decode(failure.answer))
        }
        return HeldOutReading(
            questions: answers.count, tokens: shares.reduce(0, +) / Double(max(1, shares.count)),
            right: answers.count { $0.0.answer == $0.1 }, bleu: counts)
    }
}
