import SutureFormats

/// Why a data set, a template or a list of failures cannot be used.
public typealias TaskError = CodedError<TaskErrorCode>

/// What kind of obstacle it was.
public enum TaskErrorCode: String, ErrorCode {
    /// A file of tasks, templates or failures is not as it should be.
    case badList
    /// A model has no chat template, or its template cannot write this conversation.
    case noChat
    /// The request makes no sense as it stands.
    case badRequest
    /// A program that checks answers could not be run.
    case failed
    /// Nothing is there in which answers could be run safely.
    case noSandbox

    public var kind: DiagnosticKind {
        switch self {
        case .badList, .noChat: .badInput
        case .badRequest: .usage
        case .failed: .failed
        case .noSandbox: .refused
        }
    }
}
