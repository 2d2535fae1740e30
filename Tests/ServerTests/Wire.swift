import Foundation
import Testing

/// What a server answered.
struct Answer {
    var status: Int
    var headers: [String: String]
    var body: Data

    var text: String { String(decoding: body, as: UTF8.self) }

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:] }

    /// The message of an error in OpenAI's form; it has to be one line.
    var message: String? {
        let message = (json["error"] as? [String: Any])?["message"] as? String
        return message.flatMap { $0.contains(where: \.isNewline) || $0.isEmpty ? nil : $0 }
    }

    /// The events of a stream, without the last one that ends it.
    var events: [[String: Any]] {
        text.components(separatedBy: "\n\n").compactMap { event in
            guard event.hasPrefix("data: {") else { return nil }
            return try? JSONSerialization.jsonObject(with: Data(event.dropFirst(6).utf8)) as? [String: Any]
        }
    }
}

/// A connection to a server, by the system's own calls: nothing puts in order what is sent.
enum Wire {
    /// Sends bytes, and reads until the server closes. nil where it closes without an answer.
    static func exchange(
        _ bytes: [UInt8], port: Int, then later: [(seconds: Double, bytes: [UInt8])] = []
    ) async throws -> Answer? {
        try await withCheckedThrowingContinuation { continuation in
            // Waiting is done where no task of the server has to wait for it.
            let thread = Thread {
                continuation.resume(with: Result { try talk(bytes, port, later) })
            }
            thread.start()
        }
    }

    private static func talk(
        _ bytes: [UInt8], _ port: Int, _ later: [(seconds: Double, bytes: [UInt8])]
    ) throws -> Answer? {
        #if canImport(Glibc)
            let kind = Int32(SOCK_STREAM.rawValue)
        #else
            let kind = SOCK_STREAM
        #endif
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { throw POSIXError(.ENOTSOCK) }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 300, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw POSIXError(.ECONNREFUSED) }
        func send(_ bytes: [UInt8]) {
            var start = 0
            while start < bytes.count {
                let sent = bytes[start...].withUnsafeBytes {
                    Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                // Whoever has heard enough closes.
                guard sent > 0 else { return }
                start += sent
            }
        }
        send(bytes)
        for piece in later {
            Thread.sleep(forTimeInterval: piece.seconds)
            send(piece.bytes)
        }
        var received: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &room, room.count, 0)
            if count < 0, errno == EAGAIN { throw POSIXError(.ETIMEDOUT) }
            guard count > 0 else { break }
            received += room[..<count]
        }
        return try received.isEmpty ? nil : answer(received)
    }

    private static func answer(_ bytes: [UInt8]) throws -> Answer {
        let data = Data(bytes)
        let split = try #require(
            data.range(of: Data("\r\n\r\n".utf8)), "no head: \(String(decoding: data, as: UTF8.self))")
        let lines = String(decoding: data[..<split.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            headers[parts[0].lowercased()] = parts.count > 1 ? parts[1] : ""
        }
        var body = Data(data[split.upperBound...])
        if headers["transfer-encoding"] == "chunked" { body = unchunked(body) }
        return Answer(status: Int(lines[0].split(separator: " ")[1]) ?? 0, headers: headers, body: body)
    }

    private static func unchunked(_ data: Data) -> Data {
        var (rest, body) = (data, Data())
        while let end = rest.range(of: Data("\r\n".utf8)),
            let count = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16), count > 0
        {
            let piece = rest[end.upperBound...].prefix(count)
            body += piece
            rest = Data(rest[piece.endIndex...].dropFirst(2))
        }
        return body
    }
}
