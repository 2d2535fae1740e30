import HTTPTypes
import Hummingbird
import NIOCore

/// Lets in what comes from this machine to this server or brings the token, and nothing that a page of another site sends.
struct RequestGate: Sendable {
    let address: CheckedAddress

    /// The names under which the server may be asked; another name that leads here is an attack by DNS rebinding.
    static let hosts: Set<String> = ["localhost", "127.0.0.1", "[::1]"]

    /// Throws ``ServerError`` with code `forbidden`, `unauthorized` or `badRequest`.
    func check(_ request: Request, port: Int?) throws {
        guard let host = request.head.authority, !host.isEmpty else {
            throw ServerError(.badRequest, "the header Host is missing")
        }
        // A name that leads here brings no token along: whoever has it may use any name.
        guard address.address.token != nil || isOwn(host, port: port) else {
            throw ServerError(
                .forbidden, "this host is not served here", subject: "Host", expected: "localhost or 127.0.0.1",
                found: "\"\(host)\"")
        }
        if let origin = request.headers[.origin] {
            let prefix = address.scheme + "://"
            let named = origin.hasPrefix(prefix) ? String(origin.dropFirst(prefix.count)) : ""
            guard address.address.token == nil ? isOwn(named, port: port) : named == host else {
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

    /// Throws ``ServerError`` with code `unauthorized` for a request without the token.
    func admit(_ request: Request) throws {
        guard !Self.open.contains(request.uri.path), !address.isAdmitted(request.headers[.authorization]) else {
            return
        }
        throw ServerError(
            .unauthorized, "this server answers those who bring its token", subject: "Authorization",
            expected: "Bearer TOKEN", found: request.headers[.authorization] == nil ? "nothing" : "another one")
    }

    /// What is the same for everybody: the page's files, the description, and whether the server is up.
    private static let open: Set<String> = PageRoutes.paths.union(["/health", "/openapi.json"])

    private func isOwn(_ authority: String, port: Int?) -> Bool {
        let lowered = authority.lowercased()
        if Self.hosts.contains(lowered) { return port == (address.tls == nil ? 80 : 443) }
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
