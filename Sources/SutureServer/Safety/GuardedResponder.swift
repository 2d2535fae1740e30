import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SutureFormats

/// Answers every request: checks where it comes from, turns errors into OpenAI's form, and counts.
struct GuardedResponder<Inner: HTTPResponder>: HTTPResponder where Inner.Context == ServerContext {
    let inner: Inner
    let meter: Meter
    private let gate: RequestGate

    init(_ inner: Inner, _ meter: Meter, _ address: CheckedAddress) {
        (self.inner, self.meter, gate) = (inner, meter, RequestGate(address: address))
    }

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        let start = ContinuousClock.now
        var response: Response
        do {
            try gate.check(request, port: context.channel.localAddress?.port)
            try gate.admit(request)
            response = try await inner.respond(to: request, context: context)
            // The router's own answer to a path or a method that is not there.
            if response.status == .notFound, response.body.contentLength == 0 { throw HTTPError(.notFound) }
        } catch {
            response = answer(to: error, request, context)
        }
        for (name, value) in Self.headers { response.headers[name] = value }
        meter.add(
            route: context.endpointPath ?? "other", status: response.status.code,
            seconds: (.now - start) / .seconds(1))
        return response
    }

    private func answer(to error: any Error, _ request: Request, _ context: ServerContext) -> Response {
        let told: ServerError
        if let error = error as? HTTPError {
            told =
                error.status == .notFound
                ? ServerError(
                    .notFound, "there is nothing under this path",
                    found: "\(request.method) \(request.uri.path.prefix(100))")
                : ServerError(.badRequest, error.body ?? "the request cannot be read")
        } else {
            told = ServerError(telling: error)
        }
        var response = Response.json(told.json, status: told.code.status)
        switch told.code {
        case .busy: response.headers[.retryAfter] = "5"
        case .unauthorized:
            response.headers[.wwwAuthenticate] = "Bearer"
            response.closes(context.channel)
        case .tooLarge, .tooSlow, .forbidden: response.closes(context.channel)
        default: break
        }
        return response
    }

    /// Nothing from elsewhere is loaded, nothing of this is shown elsewhere, and nothing is kept.
    private static var headers: [(HTTPField.Name, String)] {
        [
            (
                .contentSecurityPolicy,
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ), (.xContentTypeOptions, "nosniff"), (.cacheControl, "no-store"),
            (HTTPField.Name("Referrer-Policy")!, "no-referrer"),
            (HTTPField.Name("Cross-Origin-Resource-Policy")!, "same-origin"),
            (HTTPField.Name("Cross-Origin-Opener-Policy")!, "same-origin")
        ]
    }
}

extension Response {
    /// A JSON value as an answer.
    static func json(_ value: JSON, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(bytes: value.serialized())))
    }

    /// Closes the connection behind the answer, a moment later so that it is read: of what still comes nothing is wanted.
    fileprivate mutating func closes(_ channel: any Channel) {
        headers[.connection] = "close"
        let body = body
        let length = body.contentLength
        self.body = ResponseBody(contentLength: length) { writer in
            try await body.write(writer)
            _ = channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        }
    }
}
