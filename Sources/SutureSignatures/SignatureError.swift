import SutureFormats

/// Why a signature could not be taken as asked.
public typealias SignatureError = CodedError<SignatureErrorCode>

/// What kind of obstacle it was.
public enum SignatureErrorCode: String, ErrorCode {
    /// The request makes no sense as it stands.
    case badRequest
    /// No tensor is left by the rule of layers.
    case noLayers
    /// A batch norm would divide by the root of a negative number.
    case negativeVariance

    public var kind: DiagnosticKind {
        switch self {
        case .badRequest, .noLayers: .usage
        case .negativeVariance: .refused
        }
    }
}
