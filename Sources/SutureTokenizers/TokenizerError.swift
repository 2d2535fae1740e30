import SutureFormats

/// Why a tokenizer could not be loaded or written.
public typealias TokenizerError = CodedError<TokenizerErrorCode>

/// What is wrong, for code that decides by it.
public enum TokenizerErrorCode: String, ErrorCode {
    /// A component, or a setting of one, that this module does not have.
    case unsupported
    /// A file is no vocabulary, or lacks a part of one.
    case malformed
    /// Two tokens have the same id, or one token has two.
    case conflictingTokens
    /// An id that no vocabulary can have.
    case idOutOfRange
    /// A merge names a token that the vocabulary does not have.
    case unknownToken
    /// A step, a token or a list of them that would make texts or tables longer than any tokenizer in use does.
    case tooLarge

    public var kind: DiagnosticKind { .badInput }
}
