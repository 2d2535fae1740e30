import SutureTokenizers

/// A prompt, and the answer it should have.
public struct Failure: Sendable, Equatable, Codable {
    public var prompt: String
    public var expected: String

    public init(prompt: String, expected: String) {
        self.prompt = prompt
        self.expected = expected
    }
}

/// A failure as token ids: what every method works on, so that no boundary between tokens moves.
public struct TokenizedFailure: Sendable, Equatable, Codable {
    /// What the model reads.
    public var prompt: [Int]
    /// What it should write next.
    public var answer: [Int]

    public init(prompt: [Int], answer: [Int]) {
        self.prompt = prompt
        self.answer = answer
    }

    /// Tokens of a failure; no token is added that the text does not have.
    ///
    /// The answer is split as it would be in one text with the prompt. Where a token would span both,
    /// prompt and answer are split apart, because the model reads the prompt alone.
    public init(_ failure: Failure, _ tokenizer: Tokenizer) throws {
        prompt = tokenizer.encode(failure.prompt).ids
        guard !prompt.isEmpty, !failure.expected.isEmpty else {
            throw TaskError(
                .badRequest, "a failure needs a prompt and an expected answer",
                found: prompt.isEmpty ? "an empty prompt" : "an empty answer")
        }
        let whole = tokenizer.encode(failure.prompt + failure.expected).ids
        answer =
            whole.starts(with: prompt) && whole.count > prompt.count
            ? Array(whole[prompt.count...]) : tokenizer.encode(failure.expected).ids
    }
}
