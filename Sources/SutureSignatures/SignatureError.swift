import SutureFormats

/// Why a signature could not be taken as asked.
public typealias SignatureError = CodedError<SignatureErrorCode>

/// What kind of obstacle it was.
public enum SignatureErrorCode: String, ErrorCode {
    /// The request makes no sense as it stands.
    case badRequest
    /// No tensor is left by the rule of layers.
    case noLayers

    public var kind: DiagnosticKind { .usage }
}
