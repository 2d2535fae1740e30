import SutureCore
import SutureModels
import SutureTokenizers

/// How a model does on questions, and which it answers wrongly.
public struct Detection: Sendable, Codable {
    /// One question, and what became of it.
    public struct Answer: Sendable, Codable {
        public var prompt: String
        public var expected: String
        /// What greedy decoding writes, as many tokens as the expected answer has.
        public var written: String
        public var isRight: Bool
        /// The tokens of the expected answer, and the places of those that are not the most likely under teacher
        /// forcing.
        public var tokens: [Int]
        public var wrong: [Int]
    }

    public let answers: [Answer]
    /// How many questions could not be asked: longer than the model's context, or not to be split into tokens.
    public let unasked: Int

    /// Whether every question was asked and answered rightly.
    public var areAllRight: Bool { unasked == 0 && answers.allSatisfy(\.isRight) }

    /// The share of questions that are answered rightly in free writing.
    public var exactMatch: Double { Double(answers.count(where: \.isRight)) / Double(answers.count) }

    /// The share of all answer tokens that are the most likely under teacher forcing.
    public var tokenAccuracy: Double {
        let tokens = answers.reduce(0) { $0 + $1.tokens.count }
        return 1 - Double(answers.reduce(0) { $0 + $1.wrong.count }) / Double(tokens)
    }

    /// What is answered wrongly, whole.
    public var failures: [Failure] {
        answers.filter { !$0.isRight }.map { Failure(prompt: $0.prompt, expected: $0.expected) }
    }

    /// What is answered wrongly, cut down to the first wrong token: MINT's unit of repair.
    ///
    /// As text the token must be the same token again; where it is a part of a character, or is split otherwise behind the
    /// prompt alone, the tokens after it are taken along until it is.
    public func firstTokens(_ tokenizer: Tokenizer) throws -> [Failure] {
        try answers.compactMap { answer in
            guard let place = answer.wrong.first else { return nil }
            let whole = try TokenizedFailure(Failure(prompt: answer.prompt, expected: answer.expected), tokenizer)
            let before = answer.prompt + tokenizer.decode(Array(answer.tokens[..<place]))
            for end in place + 1..<answer.tokens.count + 1 {
                let tokens = Array(answer.tokens[place..<end])
                let failure = Failure(prompt: before, expected: tokenizer.decode(tokens))
                if let split = try? TokenizedFailure(failure, tokenizer), split.answer == tokens,
                    split.prompt == whole.prompt + answer.tokens[..<place]
                {
                    return failure
                }
            }
            return Failure(prompt: answer.prompt, expected: answer.expected)
        }
    }

    /// Asks a model.
    ///
    /// Throws ``RepairError`` where there is no question that can be asked.
    public init(
        of questions: [Failure], in model: LanguageModel, _ tokenizer: Tokenizer,
        progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard !questions.isEmpty else { throw RepairError(.badRequest, "there are no questions to ask") }
        answers = try questions.enumerated().compactMap { number, question in
            defer { progress("asking", number + 1, questions.count) }
            guard let failure = try? TokenizedFailure(question, tokenizer),
                failure.forced.count <= model.architecture.contextLength
            else { return nil }
            let (reading, written) = try model.answer(failure)
            return Answer(
                prompt: question.prompt, expected: question.expected, written: tokenizer.decode(written),
                isRight: written == failure.answer, tokens: failure.answer, wrong: reading.wrong(failure.answer))
        }
        unasked = questions.count - answers.count
        guard !answers.isEmpty else {
            throw RepairError(
                .badRequest, "no question can be asked",
                expected: "prompts and answers of at most \(model.architecture.contextLength) tokens")
        }
    }
}
