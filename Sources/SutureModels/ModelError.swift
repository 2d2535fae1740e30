import SutureFormats
import SutureTensor

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
    /// The layers are split between processes in a way that what is asked for does not fit.
    case split
    /// The network computes something that is not a finite number.
    case notFinite

    public var kind: DiagnosticKind {
        switch self {
        case .unsupported, .badWeights, .notFinite: .badInput
        case .outOfRange, .notCaptured, .invalidReplay, .noDevice: .usage
        case .tooLarge, .split: .refused
        }
    }
}

extension CodedError<ModelErrorCode> {
    /// Values that are NaN or infinite.
    static func notFinite(_ what: String) -> ModelError {
        ModelError(
            .notFinite, "a value is not a number", subject: what,
            hint: "the weights, or a vector that is added, hold NaN, infinity or values that are too large")
    }
}

extension Tensor {
    /// Throws ``ModelError`` with code `notFinite`, naming what they are, where values are NaN or infinite: nothing can be
    /// read of them then.
    public func requireFinite(_ what: String) throws {
        guard try isFinite().to(.float32).min().item() == 1 else { throw ModelError.notFinite(what) }
    }
}
