import HTTPTypes
import Hummingbird
import NIOCore

/// Lets in what comes from this machine to this server, and nothing that a page of another site sends.
struct RequestGate: Sendable {
    /// The names under which the server may be asked; another name that leads here is an attack by DNS rebinding.
    static let hosts: Set<String> = ["localhost", "127.0.0.1", "[::1]"]

    /// Throws ``ServerError`` with code `forbidden` or `badRequest`.
    func check(_ request: Request, port: Int?) throws {
        guard let host = request.head.authority, !host.isEmpty else {
            throw ServerError(.badRequest, "the header Host is missing")
        }
        guard isOwn(host, port: port) else {
            throw ServerError(
                .forbidden, "this host is not served here", subject: "Host", expected: "localhost or 127.0.0.1",
                found: "\"\(host)\"")
        }
        if let origin = request.headers[.origin] {
            let prefix = "http://"
            guard origin.hasPrefix(prefix), isOwn(String(origin.dropFirst(prefix.count)), port: port) else {
                throw ServerError(
                    .forbidden, "requests of pages from elsewhere are not answered", subject: "Origin",
                    found: "\"\(origin)\"")
            }
        }
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" {
            // A link to here may be followed: what it shows is not told to the page that it was on.
            let isVisit = request.headers[.secFetchMode] == "navigate" && request.method == .get
            guard isVisit else {
                throw ServerError(
                    .forbidden, "requests of pages from elsewhere are not answered", subject: "Sec-Fetch-Site",
                    found: "\"\(site)\"")
            }
        }
    }

    private func isOwn(_ authority: String, port: Int?) -> Bool {
        let lowered = authority.lowercased()
        if Self.hosts.contains(lowered) { return port == 80 }
        guard let colon = lowered.lastIndex(of: ":"), let named = Int(lowered[lowered.index(after: colon)...]) else {
            return false
        }
        return Self.hosts.contains(String(lowered[..<colon])) && named == port
    }
}

extension HTTPField.Name {
    static var secFetchSite: Self { Self("Sec-Fetch-Site")! }
    static var secFetchMode: Self { Self("Sec-Fetch-Mode")! }
}
