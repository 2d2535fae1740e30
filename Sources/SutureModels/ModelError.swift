import SutureFormats

/// Why a network could not be loaded or run as asked.
public typealias ModelError = CodedError<ModelErrorCode>

/// What kind of obstacle it was.
public enum ModelErrorCode: String, ErrorCode {
    /// The configuration names a family or a feature that is not supported.
    case unsupported
    /// A tensor the architecture needs is missing, or has another shape.
    case badWeights
    /// A site, a position or a token that this network or this run does not have.
    case outOfRange
    /// A value was asked for that the run did not capture.
    case notCaptured
    /// The run cannot resume where it was asked to.
    case invalidReplay
    /// The device is not available.
    case noDevice
    /// The model does not fit into memory.
    case tooLarge
    /// The network computes something that is not a finite number.
    case notFinite

    public var kind: DiagnosticKind {
        switch self {
        case .unsupported, .badWeights, .notFinite: .badInput
        case .outOfRange, .notCaptured, .invalidReplay, .noDevice: .usage
        case .tooLarge: .refused
        }
    }
}
