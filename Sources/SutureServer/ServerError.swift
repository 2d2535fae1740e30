import Foundation
import Hummingbird
import SutureCore
import SutureFormats
import SutureTensor

/// Why the server does not do what a request asks for.
public typealias ServerError = CodedError<ServerErrorCode>

/// What kind of refusal it is; decides the status of the answer.
public enum ServerErrorCode: String, ErrorCode, CaseIterable {
    /// The request makes no sense as it stands (400).
    case badRequest = "bad_request"
    /// The request does not bring the token that is asked for (401).
    case unauthorized
    /// The request comes from where none may come from (403).
    case forbidden
    /// There is no such path, model, patch or job (404).
    case notFound = "not_found"
    /// The request did not come in time (408).
    case tooSlow = "request_timeout"
    /// It does not go with what is there: a name that is taken, another base (409).
    case conflict
    /// The body is larger than allowed (413).
    case tooLarge = "body_too_large"
    /// The body is not of the kind that is read here (415).
    case wrongType = "unsupported_media_type"
    /// More is waiting than may wait (429).
    case busy = "too_many_requests"
    /// The server failed (500).
    case failed = "internal_error"
    /// The server ends (503).
    case closing = "shutting_down"
    /// The server could not be started as asked.
    case cannotStart = "cannot_start"

    public var kind: DiagnosticKind {
        switch self {
        case .badRequest, .notFound, .tooLarge, .wrongType: .usage
        case .unauthorized, .forbidden, .conflict, .busy: .refused
        case .tooSlow, .failed, .closing, .cannotStart: .failed
        }
    }

    var status: HTTPResponse.Status {
        switch self {
        case .badRequest: .badRequest
        case .unauthorized: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .tooSlow: .requestTimeout
        case .conflict: .conflict
        case .tooLarge: .contentTooLarge
        case .wrongType: .unsupportedMediaType
        case .busy: .tooManyRequests
        case .failed, .cannotStart: .internalServerError
        case .closing: .serviceUnavailable
        }
    }
}

extension CodedError<ServerErrorCode> {
    /// Any error of the libraries, as the server tells it.
    init(telling error: any Error) {
        switch error {
        case let error as ServerError: self = error
        case let error as any Diagnostic:
            let code: ServerErrorCode =
                switch error.kind {
                case .usage, .badInput: .badRequest
                case .refused: .conflict
                case .failed: .failed
                }
            self.init(
                code, error.problem, subject: error.subject, expected: error.expected, found: error.found,
                hint: error.hint)
        case is CancellationError: self.init(.closing, "the work was cancelled")
        default: self.init(.failed, "something went wrong", found: "\(type(of: error))")
        }
    }

    /// The error as OpenAI's API has it.
    var json: JSON {
        [
            "error": [
                "message": JSON(description), "type": JSON(openAIType), "param": .null, "code": JSON(code.rawValue)
            ]
        ]
    }

    private var openAIType: String {
        switch code {
        case .busy: "rate_limit_error"
        case .failed, .closing, .cannotStart: "server_error"
        case .unauthorized: "authentication_error"
        case .forbidden: "permission_error"
        case .notFound: "not_found_error"
        default: "invalid_request_error"
        }
    }
}
