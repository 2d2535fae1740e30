import Crypto
import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import NIOSSL
import SutureCore
import SutureFormats

/// Where a server listens, and who may ask.
///
/// On this machine alone anybody may, by default. Elsewhere requests bring a token, and should come by TLS.
public struct ServerAddress: Sendable {
    /// A name or an address of this machine; `0.0.0.0` and `::` are all of them.
    public var host = "127.0.0.1"
    /// 0 for any port that is free.
    public var port = 8080
    /// What every request but for the page's own files and `/health` has to bring, as `Authorization: Bearer TOKEN`.
    public var token: String?
    /// The certificate with those that signed it, and its private key, in PEM; nil for HTTP without TLS.
    public var certificate: (chain: URL, key: URL)?

    /// Port 8080 on this machine alone.
    public init() {}

    /// The shortest token: too long to be guessed.
    public static let shortestToken = 16

    /// Whether only this machine can ask.
    public var isLocal: Bool { ["127.0.0.1", "localhost", "::1"].contains(host.lowercased()) }

    /// The token of a file: its only line.
    ///
    /// Throws ``ServerError`` with code `badRequest` for a file without one, or with one that is too short or cannot stand in a
    /// header.
    public static func token(in file: URL) throws -> String {
        let mapped = try MappedFile(file)
        defer { withExtendedLifetime(mapped) {} }
        let text = String(decoding: mapped.text.prefix(10_000), as: UTF8.self)
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard token.utf8.count >= shortestToken, token.utf8.count <= 1000,
            token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw ServerError(
                .badRequest, "this is not a token", subject: file.relativePath,
                expected: "one line of \(shortestToken) to 1000 letters, digits and signs", hint: "openssl rand -hex 16"
            )
        }
        return token
    }

    /// Throws ``ServerError`` with code `badRequest` for another host than this machine without a token, and for a
    /// certificate that cannot be used.
    func checked() throws -> CheckedAddress {
        guard isLocal || token != nil else {
            throw ServerError(
                .badRequest, "others than this machine can ask only with a token", subject: host, expected: "a token")
        }
        return CheckedAddress(address: self, tls: try certificate.map(Self.configuration))
    }

    private static func configuration(_ certificate: (chain: URL, key: URL)) throws -> TLSConfiguration {
        func read<Value>(_ what: String, _ url: URL, _ read: (String) throws -> Value) throws -> Value {
            _ = try MappedFile(url)
            do { return try read(url.path) } catch {
                throw ServerError(.badRequest, "this is no \(what)", subject: url.relativePath, expected: "PEM")
            }
        }
        let chain = try read("chain of certificates", certificate.chain) { try NIOSSLCertificate.fromPEMFile($0) }
        let key = try read("private key", certificate.key) { try NIOSSLPrivateKey(file: $0, format: .pem) }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        do { _ = try NIOSSLContext(configuration: configuration) } catch {
            throw ServerError(
                .badRequest, "the key does not go with the certificate", subject: certificate.key.relativePath,
                expected: "the key of \(certificate.chain.relativePath)")
        }
        return configuration
    }
}

/// An address that can be listened to.
struct CheckedAddress: Sendable {
    let address: ServerAddress
    let tls: TLSConfiguration?

    var scheme: String { tls == nil ? "http" : "https" }

    /// Where the server is found once it listens on a port.
    func url(port: Int) -> URL? {
        let host = address.host.contains(":") ? "[\(address.host)]" : address.host
        return URL(string: "\(scheme)://\(host):\(port)/")
    }

    /// HTTP, within TLS where there is a certificate.
    func builder(_ plain: HTTPServerBuilder) throws -> HTTPServerBuilder {
        try tls.map { try .tls(plain, tlsConfiguration: $0) } ?? plain
    }

    /// Whether a request brings the token; compared by digests, so that the time it takes tells nothing.
    func isAdmitted(_ authorization: String?) -> Bool {
        guard let token = address.token else { return true }
        let prefix = "bearer "
        guard let authorization, authorization.lowercased().hasPrefix(prefix) else { return false }
        return SHA256.hash(data: Data(authorization.dropFirst(prefix.count).utf8))
            == SHA256.hash(data: Data(token.utf8))
    }
}
