import SutureFormats

/// Why a network could not be loaded or run as asked.
public struct ModelError: Diagnostic, Equatable {
    /// What kind of obstacle it was.
    public enum Code: String, Sendable {
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
        case .unsupported, .badWeights, .notFinite: .badInput
        case .outOfRange, .notCaptured, .invalidReplay, .noDevice: .usage
        case .tooLarge: .failed
        }
    }
}
