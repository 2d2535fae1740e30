import Hummingbird
import SutureFormats

extension Response {
    /// Server-sent events; an error on the way is the last of them.
    static func events(
        _ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8"],
            body: .init { writer in
                do {
                    try await write(&writer)
                } catch {
                    try await writer.event(ServerError(telling: error).json)
                }
                try await writer.finish(nil)
            })
    }
}

extension ResponseBodyWriter {
    /// Sends one event.
    mutating func event(_ value: JSON) async throws {
        try await event(String(decoding: value.serialized(), as: UTF8.self))
    }

    /// Sends one event of one line.
    mutating func event(_ line: String) async throws { try await write(ByteBuffer(string: "data: \(line)\n\n")) }

    /// Sends a line that is no event, so that one learns whether anybody still listens.
    mutating func pulse() async throws { try await write(ByteBuffer(string: ": \n\n")) }
}
