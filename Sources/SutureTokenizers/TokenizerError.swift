import SutureFormats

/// Why a tokenizer could not be loaded or written.
public struct TokenizerError: Diagnostic, Equatable {
    /// What is wrong, for code that decides by it.
    public enum Code: String, Sendable {
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
    }

    public let code: Code
    public let problem: String
    public let subject: String?
    public let expected: String?
    public let found: String?
    public let hint: String?

    public init(
        _ code: Code, _ problem: String, subject: String? = nil, expected: String? = nil, found: String? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.problem = problem
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
    }

    public var kind: DiagnosticKind { .badInput }
}
