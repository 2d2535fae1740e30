import SutureFormats

/// Why a repair could not be asked for, or why its result was refused.
public typealias RepairError = CodedError<RepairErrorCode>

/// What kind of obstacle it was.
public enum RepairErrorCode: String, ErrorCode {
    /// A list of failures or of guard texts is not as it should be.
    case badList
    /// The request makes no sense as it stands.
    case badRequest
    /// A guard does not let the patch pass.
    case guarded
    /// A failure was given up.
    case abandoned
    /// Statistics are of another model than the one that is repaired, or of other texts.
    case otherStatistics
    /// Work that several processes share was not done by all of them.
    case unfinished

    public var kind: DiagnosticKind {
        switch self {
        case .badList: .badInput
        case .badRequest: .usage
        case .guarded, .otherStatistics: .refused
        case .abandoned, .unfinished: .failed
        }
    }
}
