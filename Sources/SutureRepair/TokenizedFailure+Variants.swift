import SutureTasks
import SutureTokenizers

extension TokenizedFailure {
    /// The failure in tokens, with variants of its prompt behind which the answer is split into the same tokens, and its
    /// examples as questions.
    ///
    /// Throws as `init(_:_:)`.
    public init(_ failure: Failure, variedBy tokenizer: Tokenizer) throws {
        try self.init(failure, tokenizer)
        let texts = Texts.reference.filter { !$0.contains("\n") && $0.count > 60 }
        variants = failure.variants(tokenizer, behind: texts).compactMap { variant in
            guard let tokens = try? TokenizedFailure(variant, tokenizer), tokens.answer == answer else { return nil }
            return tokens.prompt
        }
        examples = failure.examples(tokenizer).compactMap { try? TokenizedFailure($0, tokenizer) }
    }
}
