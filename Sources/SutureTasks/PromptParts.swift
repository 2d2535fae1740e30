import SutureTokenizers

/// A prompt taken apart: examples that are put alike, and a question that is put like them.
struct PromptParts {
    /// What stands before each intent, between it and its code, and behind the code of an example.
    private let frame: (opening: String, middle: String, closing: String)
    /// What stands before the first of them; where there are no examples, all before the question.
    private let lead: String
    let examples: [TaskSet.Task]
    let question: String

    /// Takes a prompt apart by what it repeats; one that repeats nothing has no examples.
    ///
    /// - Parameters:
    ///   - prompt: the prompt as text.
    ///   - tokens: the same in tokens, which tell what of it is the question.
    ///   - tokenizer: the tokenizer that split it.
    init?(_ prompt: String, _ tokens: TokenizedFailure, _ tokenizer: Tokenizer) {
        let asked = tokens.question
        guard !asked.isEmpty else { return nil }
        let said = Array(tokens.prompt[tokens.opening...])
        let (start, end) = (asked.lowerBound - tokens.opening, asked.upperBound - tokens.opening)
        // What the prompt begins with stands before the question, too.
        let header = (0...start).last { said[..<$0] == said[start - $0..<start] && $0 < start } ?? 0
        func text(_ part: ArraySlice<Int>) -> String { tokenizer.decode(Array(part)) }
        let (opening, middle) = (text(said[..<header]), text(said[end...]))
        let question = text(said[start..<end])
        if header > 0, !middle.isEmpty, let found = Self.examples(in: prompt, opening, middle), found.last == question {
            self.init(
                frame: (opening, middle, found.closing), lead: "", examples: found.examples, question: question)
            if self.prompt(examples, question) == prompt { return }
        }
        self.init(
            frame: ("", middle, ""), lead: text(said[..<start]), examples: [], question: question)
        guard self.prompt([], question) == prompt else { return nil }
    }

    private init(
        frame: (opening: String, middle: String, closing: String), lead: String, examples: [TaskSet.Task],
        question: String
    ) {
        (self.frame, self.lead, self.examples, self.question) = (frame, lead, examples, question)
    }

    /// The examples before the last question, if each is put like all others.
    private static func examples(
        in prompt: String, _ opening: String, _ middle: String
    ) -> (examples: [TaskSet.Task], closing: String, last: String)? {
        let blocks = prompt.split(separator: opening, omittingEmptySubsequences: false).map(String.init)
        guard blocks.count > 2, blocks[0].isEmpty, let last = blocks.last, last.hasSuffix(middle) else { return nil }
        let halves = blocks.dropFirst().dropLast().map { block in
            block.firstRange(of: middle).map { (String(block[..<$0.lowerBound]), String(block[$0.upperBound...])) }
        }
        let pairs = halves.compactMap(\.self)
        guard pairs.count == halves.count, let first = pairs.first else { return nil }
        let shared = pairs.map { $0.1.commonSuffix(with: first.1) }.min { $0.count < $1.count } ?? ""
        // Codes may end alike: the closing begins with a line.
        let closing = String(shared.drop { !$0.isNewline })
        guard !closing.isEmpty else { return nil }
        let examples = pairs.map { TaskSet.Task(intent: $0.0, code: String($0.1.dropLast(closing.count))) }
        return (examples, closing, String(last.dropLast(middle.count)))
    }

    /// The prompt with other examples, another question or another word before each of them.
    func prompt(_ examples: some Collection<TaskSet.Task>, _ question: String, opening: String? = nil) -> String {
        let opening = opening ?? frame.opening
        return lead + examples.map { opening + $0.intent + frame.middle + $0.code + frame.closing }.joined() + opening
            + question + frame.middle
    }
}

extension String {
    fileprivate func commonSuffix(with other: String) -> String {
        String(zip(reversed(), other.reversed()).prefix { $0 == $1 }.map(\.0).reversed())
    }
}
