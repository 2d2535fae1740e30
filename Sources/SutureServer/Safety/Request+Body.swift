import Foundation
import Hummingbird
import SutureFormats

extension Request {
    /// The body as JSON, with errors that name the place.
    ///
    /// Throws ``ServerError`` or `FormatError` for one that is not JSON, is too large or does not come in time.
    func json(_ limits: ServerLimits) async throws -> JSONField {
        let type = headers[.contentType]?.lowercased() ?? ""
        guard type == "application/json" || type.hasPrefix("application/json;") else {
            throw ServerError(
                .wrongType, "the body is not declared as JSON", subject: "Content-Type", expected: "application/json",
                found: type.isEmpty ? "none" : "\"\(type)\"")
        }
        let bytes = try await read(upTo: limits.body, within: limits.bodySeconds, into: [UInt8]()) { $0 += $1 }
        return JSONField(try JSON.parse(bytes, source: "body"), source: "body")
    }

    /// The body, taken in piece by piece.
    ///
    /// Throws ``ServerError`` for one that is too large or does not come in time, and what `take` throws.
    func read<Result: Sendable>(
        upTo limit: Int, within seconds: Double, into empty: Result,
        _ take: @escaping @Sendable (inout Result, UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Result {
        func tooLarge(_ found: String) -> ServerError {
            ServerError(.tooLarge, "the body is too large", expected: "\(limit) bytes at most", found: found)
        }
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge("\(length)") }
        let body = body
        let reading = Task {
            var (result, count) = (empty, 0)
            for try await piece in body {
                count += piece.readableBytes
                guard count <= limit else { throw tooLarge("more") }
                try piece.withUnsafeReadableBytes { try take(&result, $0) }
            }
            // A body that was cut off ends like any other.
            try Task.checkCancellation()
            return result
        }
        let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
        let clock = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            reading.cancel()
        }
        defer { clock.cancel() }
        do {
            return try await withTaskCancellationHandler {
                try await reading.value
            } onCancel: {
                reading.cancel()
            }
        } catch  where .now >= deadline && !(error is ServerError) {
            throw ServerError(
                .tooSlow, "the body did not come in time", expected: "within \(Int(seconds)) s")
        }
    }
}
