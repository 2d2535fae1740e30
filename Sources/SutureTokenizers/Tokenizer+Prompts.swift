/// Texts that stand inside a prompt: a token there may differ from those of the same words alone.
extension Tokenizer {
    /// The tokens with which a text continues a prompt, as they are in one text with it.
    ///
    /// Where a token would span both, the text is split apart from the prompt, because a model reads the prompt alone; nil
    /// where that would put a space between them.
    public func continuation(_ text: String, after prompt: String) -> [Int]? {
        let start = encode(prompt, specials: .opening).ids
        let whole = encode(prompt + text, specials: .opening).ids
        if whole.starts(with: start), whole.count > start.count { return Array(whole[start.count...]) }
        let apart = encode(text).ids
        // A tokenizer that puts a space before every text would put one into the middle of this one.
        return decode(start + apart) == decode(start) + " " + text ? nil : apart
    }

    /// A tokenizer that puts nothing before a text: for texts that bring their own beginning, as conversations do.
    public func withoutOpening() throws -> Tokenizer {
        let processors = postProcessors.filter { if case .template = $0 { false } else { true } }
        return try Tokenizer(
            TokenizerParts(
                model: model, normalizers: normalizers, preTokenizers: preTokenizers, postProcessors: processors,
                decoder: decoder, addedTokens: addedTokens, roles: roles))
    }
}

extension Encoding {
    /// The tokens that stand for bytes of this range of the text's UTF-8; nil where there are none.
    public func tokens(of bytes: Range<Int>) -> Range<Int>? {
        let touched = offsets.indices.filter {
            offsets[$0].lowerBound < bytes.upperBound && offsets[$0].upperBound > bytes.lowerBound
        }
        guard let first = touched.first, let last = touched.last else { return nil }
        return first..<last + 1
    }
}
