import SutureFormats

/// Why a repair could not be asked for, or why its result was refused.
public struct RepairError: Diagnostic, Equatable {
    /// What kind of obstacle it was.
    public enum Code: String, Sendable {
        /// A list of failures or of guard texts is not as it should be.
        case badList
        /// The request makes no sense as it stands.
        case badRequest
        /// A guard does not let the patch pass.
        case guarded
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
        case .badList: .badInput
        case .badRequest: .usage
        case .guarded: .refused
        }
    }
}
