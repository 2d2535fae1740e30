import SutureModels
import SutureTokenizers

/// How a model does on questions, and which it answers wrongly.
public struct Detection: Sendable, Codable {
    /// One question, and what became of it.
    public struct Answer: Sendable, Codable {
        public var prompt: String
        public var expected: String
        /// What the model writes freely, as many tokens as the expected answer has.
        public var written: String
        public var isRight: Bool
        /// The tokens of the expected answer, and the places of those that are not the most likely where the model is
        /// led along it (teacher forcing).
        public var tokens: [Int]
        public var wrong: [Int]
    }

    public let answers: [Answer]

    /// The share of questions that are answered rightly in free writing.
    public var exactMatch: Double { Double(answers.count(where: \.isRight)) / Double(answers.count) }

    /// The share of all answer tokens that are the most likely where the model is led along the answers.
    public var tokenAccuracy: Double {
        let tokens = answers.reduce(0) { $0 + $1.tokens.count }
        return 1 - Double(answers.reduce(0) { $0 + $1.wrong.count }) / Double(tokens)
    }

    /// What is answered wrongly, whole.
    public var failures: [Failure] {
        answers.filter { !$0.isRight }.map { Failure(prompt: $0.prompt, expected: $0.expected) }
    }

    /// What is answered wrongly, cut down to the first wrong token: MINT's unit of repair.
    public func firstTokens(_ tokenizer: Tokenizer) -> [Failure] {
        answers.compactMap { answer in
            answer.wrong.first.map { place in
                Failure(
                    prompt: answer.prompt + tokenizer.decode(Array(answer.tokens[..<place])),
                    expected: tokenizer.decode([answer.tokens[place]]))
            }
        }
    }

    /// Asks a model.
    ///
    /// Throws ``RepairError`` for an empty list, prompt or answer, and `ModelError` for a text beyond the context.
    public init(
        of questions: [Failure], in model: LanguageModel, _ tokenizer: Tokenizer,
        progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws {
        guard !questions.isEmpty else { throw RepairError(.badRequest, "there are no questions to ask") }
        answers = try questions.enumerated().map { number, question in
            let failure = try TokenizedFailure(question, tokenizer)
            let (reading, written) = try model.answer(failure)
            progress(number + 1, questions.count)
            return Answer(
                prompt: question.prompt, expected: question.expected, written: tokenizer.decode(written),
                isRight: written == failure.answer, tokens: failure.answer, wrong: reading.wrong(failure.answer))
        }
    }
}
