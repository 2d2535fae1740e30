import SutureFormats

/// Why a study of subspaces could not be done as asked.
public struct SubspaceError: Diagnostic, Equatable {
    /// What kind of obstacle it was.
    public enum Code: String, Sendable {
        /// A file of pairs, facts or directions is not as it should be.
        case badFile
        /// The request makes no sense as it stands.
        case badRequest
        /// A prompt or an answer does not fit the model's tokenizer.
        case badTokens
        /// A direction does not fit the model or the site it is used at.
        case wrongWidth
        /// A patch that must change nothing changed something: no number after it would mean anything.
        case notNeutral
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

    public var kind: DiagnosticKind {
        switch code {
        case .badFile, .badTokens, .wrongWidth: .badInput
        case .badRequest: .usage
        case .notNeutral: .failed
        }
    }
}
