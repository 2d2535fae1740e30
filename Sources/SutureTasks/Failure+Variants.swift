import SutureTokenizers

extension Failure {
    /// The same request put otherwise, with the same answer: other words, other examples before it, none of them, in
    /// another order, behind another text. What is learned from these should hold for wordings that nobody wrote down.
    ///
    /// The same for equal failures. Fewer where the prompt has no examples; none where it cannot be taken apart.
    ///
    /// - Parameters:
    ///   - tokenizer: how it is split.
    ///   - texts: texts that have nothing to do with it, to stand before it.
    public func variants(_ tokenizer: Tokenizer, behind texts: [String] = []) -> [Failure] {
        guard let tokens = try? TokenizedFailure(self, tokenizer), let parts = PromptParts(prompt, tokens, tokenizer)
        else { return [] }
        let (examples, question) = (parts.examples, parts.question)
        let short = Wording.keywords(question)
        var prompts = [parts.prompt(examples, short), parts.prompt(examples.dropLast(), Wording.asked(question))]
        if examples.isEmpty {
            prompts += [parts.prompt([], Wording.wanted(question)), parts.prompt([], Wording.turned(question))]
        } else {
            prompts += [
                parts.prompt([], question), parts.prompt(examples.prefix(1), question),
                parts.prompt(examples.dropFirst() + examples.prefix(1), question),
                parts.prompt(examples.dropFirst(), Wording.turned(question), opening: "Q: ")
            ]
        }
        prompts += texts.prefix(2).enumerated().map { number, text in
            text + "\n\n" + parts.prompt([], number == 0 ? question : short)
        }
        var seen: Set<String> = [prompt]
        return prompts.filter { seen.insert($0).inserted }.map { Failure(prompt: $0, expected: expected) }
    }
}

extension Failure {
    /// The examples in the prompt, each asked behind the others.
    public func examples(_ tokenizer: Tokenizer) -> [Failure] {
        guard let tokens = try? TokenizedFailure(self, tokenizer), let parts = PromptParts(prompt, tokens, tokenizer)
        else { return [] }
        return parts.examples.indices.map { place in
            let asked = parts.examples[place]
            let others = parts.examples.indices.filter { $0 != place }.map { parts.examples[$0] }
            return Failure(prompt: parts.prompt(others, asked.intent), expected: asked.code + "\n")
        }
    }
}

/// Rules by which a request is put in other words. They are not those that evaluations reword with (``Rewording``).
private enum Wording {
    private static let small: Set<String> = [
        "the", "a", "an", "of", "all", "and", "to", "in", "that", "with", "is", "are", "for", "which", "any", "it"
    ]

    /// Without the words that say little.
    static func keywords(_ text: String) -> String {
        let words = text.split(separator: " ").filter { !small.contains($0.lowercased()) }
        return words.isEmpty ? text : words.joined(separator: " ")
    }

    /// As a question.
    static func asked(_ text: String) -> String { "How do I \(lowered(text))?" }

    /// As a wish.
    static func wanted(_ text: String) -> String { "I want to \(lowered(text))" }

    /// The second half of the words before the first.
    static func turned(_ text: String) -> String {
        let words = text.split(separator: " ")
        return (words.dropFirst(words.count / 2) + words.prefix(words.count / 2)).joined(separator: " ")
    }

    private static func lowered(_ text: String) -> String {
        let end = text.last.map { ".?!".contains($0) } == true ? text.dropLast() : text[...]
        return end.prefix(1).lowercased() + end.dropFirst()
    }
}
