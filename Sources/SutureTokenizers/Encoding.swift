/// The tokens of a text.
public struct Encoding: Sendable, Equatable {
    /// The ids of the tokens, in order.
    public internal(set) var ids: [Int] = []
    /// For each token the bytes of the text's UTF-8 that it stands for.
    ///
    /// A range always holds whole scalars: a token that is a part of a scalar's bytes has the range of that scalar,
    /// so the ranges of neighbors can overlap. A token that was put there by the tokenizer has an empty range, or that
    /// of the scalar it was put before. Where the tokenizer's post-processor trims offsets, spaces at the ends of a
    /// token are not in its range. All this is what `tokenizers` does, whose offsets count scalars instead; only what
    /// comes after ``lost`` bytes has its true place here, where `tokenizers` counts as if they were not there.
    public internal(set) var offsets: [Range<Int>] = []
    /// The parts of the text's UTF-8 for which the vocabulary has no token, in order: no id stands for them.
    ///
    /// Empty for a vocabulary with a token for each byte. SmolLM2's lacks 21 bytes; `tokenizers` skips them in silence.
    public internal(set) var lost: [Range<Int>] = []
}

/// Whether the special tokens that a tokenizer is configured to put around a text are wanted.
public enum SpecialTokens: Sendable {
    /// Only the text: no beginning-of-sequence token that was not asked for.
    case none
    /// As the post-processor of `tokenizer.json` or the metadata of a GGUF file have it.
    case asConfigured
    /// Of those only what stands before a text, and not twice: for a prompt that a model goes on with.
    case opening
}
