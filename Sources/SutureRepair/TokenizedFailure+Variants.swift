import SutureTasks
import SutureTokenizers

extension TokenizedFailure {
    /// The failure in tokens, with other wordings and variants of its prompt, as far as the answer is split into the same
    /// tokens behind them, its examples as questions, and other names for its subject.
    ///
    /// Throws as `init(_:_:)`.
    public init(_ failure: Failure, variedBy tokenizer: Tokenizer) throws {
        try self.init(failure, tokenizer)
        func prompts(_ failures: [Failure]) -> [[Int]] {
            failures.compactMap { failure in
                guard let tokens = try? TokenizedFailure(failure, tokenizer), tokens.answer == answer else {
                    return nil
                }
                return tokens.prompt
            }
        }
        wordings = prompts(failure.wordings.map { Failure(prompt: $0, expected: failure.expected) })
        let texts = Texts.reference.filter { !$0.contains("\n") && $0.count > 60 }
        variants = prompts(failure.variants(tokenizer, behind: texts, knowing: Texts.examples))
        nearMisses = prompts(failure.nearMisses(tokenizer, knowing: Texts.examples))
        examples = failure.examples(tokenizer).compactMap { try? TokenizedFailure($0, tokenizer) }
        guard let subject, let text = failure.subject, let place = failure.prompt.ranges(of: text).last else { return }
        let before = prompt[opening..<subject.lowerBound]
        names = Texts.names.filter { $0 != text }.compactMap { name in
            let tokens = tokenizer.encode(failure.prompt[..<place.lowerBound] + name).ids
            return tokens.starts(with: before) ? Array(tokens.dropFirst(before.count)) : nil
        }
    }
}
