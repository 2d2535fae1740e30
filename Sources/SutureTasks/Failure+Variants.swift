import SutureTokenizers

extension Failure {
    /// The same request put otherwise, with the same answer: behind other examples, fewer, none, in another order, in other
    /// words, behind another text. What is learned from these should hold for wordings that nobody wrote down.
    ///
    /// The same for equal failures. Fewer where the prompt has no examples; none where it cannot be taken apart.
    ///
    /// - Parameters:
    ///   - tokenizer: how it is split.
    ///   - texts: texts that have nothing to do with it, to stand before it.
    ///   - known: tasks that are known besides: those whose code is most like that of the prompt's examples stand for them.
    public func variants(
        _ tokenizer: Tokenizer, behind texts: [String] = [], knowing known: [TaskSet.Task] = []
    ) -> [Failure] {
        guard let parts = parts(tokenizer) else { return [] }
        let (examples, question) = (parts.examples, parts.question)
        let short = Wording.keywords(question)
        var prompts = [parts.prompt(examples, short), parts.prompt(examples.dropLast(), Wording.asked(question))]
        if examples.isEmpty {
            prompts += [parts.prompt([], Wording.wanted(question)), parts.prompt([], Wording.turned(question))]
        } else {
            // An example with the same code would give the answer away.
            let space = examples[0].code.prefix(while: \.isWhitespace)
            let others = known.filter { !expected.contains($0.code) }
                .map { TaskSet.Task(intent: $0.intent, code: space + $0.code) }.mostLike(examples)
            let count = examples.count
            func other(_ number: Int, _ question: String) -> String {
                parts.prompt(others.dropFirst(number * count).prefix(count), question)
            }
            prompts = [other(0, question), other(1, Wording.asked(question))] + prompts
            prompts += [
                parts.prompt([], question), parts.prompt(examples.prefix(1), question),
                parts.prompt(examples.dropFirst() + examples.prefix(1), question),
                parts.prompt(examples.dropFirst(), Wording.turned(question), opening: "Q: ")
            ]
        }
        prompts += texts.prefix(2).enumerated().map { number, text in
            text + "\n\n" + parts.prompt([], number == 0 ? question : short)
        }
        return failures(prompts)
    }

    /// The prompt with other questions in the place of its own, for which the answer is wrong: of `known` tasks the ones that
    /// are easiest to mistake for it, and its own words crossed with those of others.
    public func nearMisses(_ tokenizer: Tokenizer, knowing known: [TaskSet.Task]) -> [Failure] {
        guard let parts = parts(tokenizer) else { return [] }
        let asked = TaskSet.Task(intent: parts.question, code: String(expected.drop(while: \.isWhitespace)))
        let near = asked.nearest(4, among: known.filter { !expected.contains($0.code) }).map(\.intent)
        let crossed = (parts.examples.map(\.intent) + near).prefix(4).enumerated().map { number, other in
            number.isMultiple(of: 2)
                ? Wording.crossed(parts.question, other) : Wording.crossed(other, parts.question)
        }
        return failures((near + crossed).filter { $0 != parts.question }.map { parts.prompt(parts.examples, $0) })
    }

    /// The examples in the prompt, each asked behind the others.
    public func examples(_ tokenizer: Tokenizer) -> [Failure] {
        guard let parts = parts(tokenizer) else { return [] }
        return parts.examples.indices.map { place in
            let asked = parts.examples[place]
            let others = parts.examples.indices.filter { $0 != place }.map { parts.examples[$0] }
            return Failure(prompt: parts.prompt(others, asked.intent), expected: asked.code + "\n")
        }
    }

    private func parts(_ tokenizer: Tokenizer) -> PromptParts? {
        (try? TokenizedFailure(self, tokenizer)).flatMap { PromptParts(prompt, $0, tokenizer) }
    }

    /// Other prompts with the same answer, each once.
    private func failures(_ prompts: [String]) -> [Failure] {
        var seen: Set<String> = [prompt]
        return prompts.filter { seen.insert($0).inserted }.map { Failure(prompt: $0, expected: expected) }
    }
}

extension [TaskSet.Task] {
    /// Those first whose code shares the most pairs of characters with that of one of some examples (Jaccard).
    fileprivate func mostLike(_ examples: [TaskSet.Task]) -> [TaskSet.Task] {
        func pairs(_ task: TaskSet.Task) -> Set<[Character]> {
            Set(zip(task.code, task.code.dropFirst()).map { [$0, $1] })
        }
        let wanted = examples.map(pairs)
        return map { task -> (task: TaskSet.Task, likeness: Double) in
            let own = pairs(task)
            let shares = wanted.map { Double(own.intersection($0).count) / Double(Swift.max(1, own.union($0).count)) }
            return (task, shares.max() ?? 0)
        }
        .sorted { $0.likeness > $1.likeness }.map(\.task)
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

    /// The first half of one request and the second half of another.
    static func crossed(_ first: String, _ second: String) -> String {
        let (head, tail) = (first.split(separator: " "), second.split(separator: " "))
        return (head.prefix(head.count / 2) + tail.dropFirst(tail.count / 2)).joined(separator: " ")
    }

    private static func lowered(_ text: String) -> String {
        let end = text.last.map { ".?!".contains($0) } == true ? text.dropLast() : text[...]
        return end.prefix(1).lowercased() + end.dropFirst()
    }
}
