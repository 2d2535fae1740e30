import SutureTokenizers

/// A text that a model reads, and which of its words play a part.
public struct Prompt: Hashable, Sendable {
    public var text: String
    /// A word for each role: its last token is the place that a role stands for.
    public var roles: [String: Word]
    /// A class of prompts, where directions are made from the difference of classes; such as `ABB`.
    public var label: String?

    /// A word of a prompt: its text, and which occurrence is meant, from 1.
    public struct Word: Hashable, Sendable {
        public var text: String
        public var occurrence: Int

        /// A word, and which of its occurrences, from 1.
        public init(_ text: String, occurrence: Int = 1) {
            self.text = text
            self.occurrence = occurrence
        }
    }

    /// A text, the words in it that play a role, and its class.
    public init(_ text: String, roles: [String: Word] = [:], label: String? = nil) {
        self.text = text
        self.roles = roles
        self.label = label
    }
}

/// Two prompts of which one lends its activations to the other, and what should come of it.
public struct PromptPair: Hashable, Sendable {
    /// The prompt that is run.
    public var base: Prompt
    /// The prompt whose activations are put in.
    public var source: Prompt
    /// What the model should say after the base, with the space that leads it.
    public var answer: String
    /// What it should not say: the rival in logit differences.
    public var other: String
    /// What it should say once the patch took effect. Equal to `answer` where base and source agree.
    public var target: String

    /// Two prompts and their answers; the target is the rival unless it is given.
    public init(base: Prompt, source: Prompt, answer: String, other: String, target: String? = nil) {
        self.base = base
        self.source = source
        self.answer = answer
        self.other = other
        self.target = target ?? other
    }

    /// Whether the patch should change nothing.
    public var isIdentity: Bool { target == answer }
}

extension PromptPair {
    /// The single token that an answer is behind a prompt.
    ///
    /// Throws ``SubspaceError`` with code `badTokens` for an answer of several tokens.
    static func token(_ answer: String, after prompt: String, _ tokenizer: Tokenizer) throws -> Int {
        let ids = tokenizer.continuation(answer, after: prompt) ?? []
        guard ids.count == 1 else {
            let led = tokenizer.continuation(" " + answer, after: prompt) ?? []
            throw SubspaceError(
                .badTokens, "an answer must be one token behind its prompt", subject: "\"\(answer)\"",
                found: ids.isEmpty ? "no token begins there" : "\(ids.count) tokens",
                hint: led.count == 1
                    ? "with the space before it, it is one: \" \(answer)\""
                    : "choose answers that are one token of this model")
        }
        return ids[0]
    }
}

/// A pair in the tokens of one model.
public struct TokenizedPair: Hashable, Sendable {
    public let base: [Int]
    public let source: [Int]
    public let answer: Int
    public let other: Int
    public let target: Int
    /// The places of roles in base and source.
    public let baseRoles: [String: Int]
    public let sourceRoles: [String: Int]
    public let baseLabel: String?
    public let sourceLabel: String?

    public var isIdentity: Bool { target == answer }

    /// Whether base and source are the same, so that no patch between them changes anything.
    var hasEqualPrompts: Bool { base == source && baseRoles == sourceRoles }

    /// A pair that was not made from text.
    public init(
        base: [Int], source: [Int], answer: Int, other: Int, target: Int? = nil, baseRoles: [String: Int] = [:],
        sourceRoles: [String: Int] = [:], baseLabel: String? = nil, sourceLabel: String? = nil
    ) {
        self.base = base
        self.source = source
        self.answer = answer
        self.other = other
        self.target = target ?? other
        self.baseRoles = baseRoles
        self.sourceRoles = sourceRoles
        self.baseLabel = baseLabel
        self.sourceLabel = sourceLabel
    }

    /// Throws ``SubspaceError`` with code `badTokens` for an answer of several tokens, two answers that begin alike, or
    /// a role whose word is not in its prompt.
    public init(_ pair: PromptPair, _ tokenizer: Tokenizer) throws {
        func single(_ text: String) throws -> Int { try PromptPair.token(text, after: pair.base.text, tokenizer) }
        try self.init(
            pair, tokenizer, answer: single(pair.answer), other: single(pair.other), target: single(pair.target))
        guard answer != other else {
            throw SubspaceError(.badTokens, "the answer and its rival are the same", subject: "\"\(pair.answer)\"")
        }
        guard target == answer || target == other else {
            throw SubspaceError(
                .badTokens, "the target is neither the answer nor its rival", subject: "\"\(pair.target)\"")
        }
    }

    /// The prompts of a pair, with answers that are given as tokens.
    init(_ pair: PromptPair, _ tokenizer: Tokenizer, answer: Int, other: Int, target: Int? = nil) throws {
        let (base, source) = (try pair.base.tokens(tokenizer), try pair.source.tokens(tokenizer))
        self.init(
            base: base.ids, source: source.ids, answer: answer, other: other, target: target,
            baseRoles: base.roles.mapValues { $0.upperBound - 1 },
            sourceRoles: source.roles.mapValues { $0.upperBound - 1 }, baseLabel: pair.base.label,
            sourceLabel: pair.source.label)
    }
}

extension Prompt {
    /// The tokens of the prompt, and which of them each role's word has.
    ///
    /// Throws ``SubspaceError`` with code `badTokens` for a prompt without tokens, or a role whose word is not in it.
    func tokens(_ tokenizer: Tokenizer) throws -> (ids: [Int], roles: [String: Range<Int>]) {
        let encoding = tokenizer.encode(text, specials: .opening)
        guard !text.isEmpty, !encoding.ids.isEmpty else {
            throw SubspaceError(.badTokens, "a prompt has no tokens", subject: "\"\(text)\"")
        }
        var found: [String: Range<Int>] = [:]
        for (role, word) in roles {
            guard let bytes = text.bytes(of: word.text, occurrence: word.occurrence),
                let tokens = encoding.tokens(of: bytes)
            else {
                throw SubspaceError(
                    .badTokens, "the word of a role is not in its prompt", subject: "\(role) in \"\(text)\"",
                    expected: "occurrence \(word.occurrence) of \"\(word.text)\"")
            }
            found[role] = tokens
        }
        return (encoding.ids, found)
    }
}

extension String {
    /// Where in the UTF-8 an occurrence of a word stands.
    fileprivate func bytes(of word: String, occurrence: Int) -> Range<Int>? {
        guard !word.isEmpty, occurrence > 0 else { return nil }
        var rest = self[...]
        for count in 1...occurrence {
            guard let range = rest.firstRange(of: word) else { return nil }
            if count == occurrence {
                let start = utf8.distance(from: utf8.startIndex, to: range.lowerBound)
                return start..<start + utf8.distance(from: range.lowerBound, to: range.upperBound)
            }
            rest = rest[range.upperBound...]
        }
        return nil
    }
}
