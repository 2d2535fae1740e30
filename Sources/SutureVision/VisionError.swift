import SutureFormats

/// Why images could not be read, or a classifier not be trained or tested on them.
public typealias VisionError = CodedError<VisionErrorCode>

/// What kind of obstacle it was.
public enum VisionErrorCode: String, ErrorCode {
    /// A file of images is not what it should be.
    case badImages
    /// The request makes no sense as it stands.
    case badRequest
    /// Images and classifier do not fit together.
    case mismatch
    /// An interrupted training cannot go on from these files.
    case badState
    /// The loss of a training is no longer a finite number.
    case diverged
    /// There is not enough memory for the images, or for the work on them.
    case tooLarge

    public var kind: DiagnosticKind {
        switch self {
        case .badImages, .badState: .badInput
        case .badRequest, .mismatch: .usage
        case .diverged: .failed
        case .tooLarge: .refused
        }
    }
}
