import SutureFormats

/// Why a study of subspaces could not be done as asked.
public typealias SubspaceError = CodedError<SubspaceErrorCode>

/// What kind of obstacle it was.
public enum SubspaceErrorCode: String, ErrorCode {
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

    public var kind: DiagnosticKind {
        switch self {
        case .badFile, .badTokens, .wrongWidth: .badInput
        case .badRequest: .usage
        case .notNeutral: .failed
        }
    }
}
