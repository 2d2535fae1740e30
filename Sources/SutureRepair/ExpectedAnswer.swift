import SutureModels
import SutureTasks
import SutureTokenizers

/// How a model does on an answer that was expected, token by token, under teacher forcing.
public struct ExpectedAnswer: Codable, Sendable {
    /// A token of the answer.
    public struct Token: Codable, Sendable {
        public var text: String
        public var probability: Double
        /// What the model would write here, where that is something else.
        public var instead: String?
    }

    public var expected: String
    public var tokens: [Token]

    /// Throws `TaskError` for an answer that cannot be split from its prompt.
    public init(_ asked: Failure, _ model: LanguageModel, _ tokenizer: Tokenizer) throws {
        let failure = try TokenizedFailure(asked, tokenizer)
        let scores = try model.scores(failure)
        expected = asked.expected
        tokens = failure.answer.indices.map { place in
            let (wanted, top) = (failure.answer[place], scores.top[place])
            return Token(
                text: tokenizer.decode([wanted]), probability: scores.probabilities[place],
                instead: top == wanted ? nil : tokenizer.decode([top]))
        }
    }

    /// The first token at which greedy decoding leaves the answer.
    public var wrong: Int? { tokens.firstIndex { $0.instead != nil } }
}
