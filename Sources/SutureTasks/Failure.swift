import SutureTokenizers

/// A prompt, and the answer it should have.
public struct Failure: Sendable, Hashable, Codable {
    public var prompt: String
    public var expected: String
    /// The part of the prompt that the answer is about, where a method wants to know; nil where nobody says.
    public var subject: String?
    /// The same request in other words, of which the same answer is expected.
    public var wordings: [String] = []
    /// Questions whose answers have to stay as they are.
    public var keep: [Failure] = []

    /// What else is known of it belongs to the list that it stands in.
    private enum CodingKeys: CodingKey { case prompt, expected, subject }

    /// A prompt, its answer, and what it is about.
    public init(prompt: String, expected: String, subject: String? = nil) {
        self.prompt = prompt
        self.expected = expected
        self.subject = subject
    }
}

/// A failure as token ids: what every method works on, so that no boundary between tokens moves.
public struct TokenizedFailure: Sendable, Equatable, Codable {
    /// What the model reads.
    public var prompt: [Int]
    /// What it should write next.
    public var answer: [Int]
    /// The tokens of the prompt that the answer is about, where that is said.
    public var subject: Range<Int>?
    /// How many tokens the prompt begins with that no text asked for: what the tokenizer begins texts with.
    public var opening: Int
    /// The tokens of the prompt that would be others if something else were asked for in the same way.
    public var question: Range<Int>
    /// The same request in words that somebody gave, with the same answer: prompts in tokens.
    public var wordings: [[Int]] = []
    /// The same request as rules put it otherwise, with the same answer: prompts in tokens.
    public var variants: [[Int]] = []
    /// The examples in the prompt, each asked behind the others: questions whose answers should stay.
    public var examples: [TokenizedFailure] = []
    /// The prompt with questions that are easily mistaken for its own, for which the answer is wrong: prompts in tokens.
    public var nearMisses: [[Int]] = []
    /// Other names, in tokens, that could stand in the subject's place.
    public var names: [[Int]] = []

    /// - Parameters:
    ///   - prompt: what the model reads.
    ///   - answer: what it should write next.
    ///   - subject: the tokens of the prompt that the answer is about.
    ///   - opening: how many tokens the tokenizer put before the prompt.
    ///   - question: the tokens of the prompt that ask; nil to tell them by how the prompt is built.
    public init(
        prompt: [Int], answer: [Int], subject: Range<Int>? = nil, opening: Int = 0, question: Range<Int>? = nil
    ) {
        self.prompt = prompt
        self.answer = answer
        self.subject = subject
        self.opening = opening
        self.question = question ?? Self.question(in: prompt[min(opening, prompt.count)...])
    }

    /// Tokens of a failure; before the prompt stands what the tokenizer begins texts with.
    ///
    /// The answer is split as it would be in one text with the prompt. Where a token would span both,
    /// prompt and answer are split apart, because the model reads the prompt alone.
    ///
    /// Throws ``TaskError`` with code `badRequest` for an empty prompt or answer, a subject that is not in the prompt, and
    /// an answer that cannot be split from it.
    public init(_ failure: Failure, _ tokenizer: Tokenizer) throws {
        let encoding = tokenizer.encode(failure.prompt, specials: .opening)
        prompt = encoding.ids
        opening = prompt.count - tokenizer.encode(failure.prompt).ids.count
        question = Self.question(in: prompt[opening...], isSpecial: tokenizer.isSpecial)
        guard !failure.prompt.isEmpty, !prompt.isEmpty, !failure.expected.isEmpty else {
            throw TaskError(
                .badRequest, "a failure needs a prompt and an expected answer",
                found: failure.expected.isEmpty ? "an empty answer" : "an empty prompt")
        }
        guard let answer = tokenizer.continuation(failure.expected, after: failure.prompt) else {
            throw TaskError(
                .badRequest, "the answer begins within a word, where this tokenizer cannot split",
                expected: "an answer that begins with a space or a new word",
                found: String(reflecting: String(failure.expected.prefix(60))))
        }
        self.answer = answer
        guard let text = failure.subject else { return }
        guard !text.isEmpty, let place = failure.prompt.ranges(of: text).last else {
            throw TaskError(
                .badRequest, "the subject is not in the prompt", expected: "a part of the prompt",
                found: String(reflecting: String(text.prefix(60))))
        }
        let bytes = failure.prompt.utf8
        let start = bytes.distance(from: bytes.startIndex, to: place.lowerBound)
        let end = bytes.distance(from: bytes.startIndex, to: place.upperBound)
        subject = encoding.tokens(of: start..<end)
    }
}
