import Foundation
import SutureFormats
import SutureServer
import Testing

@Suite("Where the server listens, and who may ask", .serialized)
struct AddressTests {
    private static let token = "a-token-of-22-letters"

    private static func address(token: String? = token) -> ServerAddress {
        var address = ServerAddress.anyPort
        address.token = token
        return address
    }

    @Test("with a token, nothing but the page's files and /health is answered without it")
    func token() async throws {
        try await Place.with { place in
            try await place.serving(at: Self.address()) { client in
                for path in ["/health", "/", "/app.js", "/page.css"] {
                    let status = try await client.get(path).status
                    #expect(status == 200, "\(path)")
                }
                let asked = [
                    ("GET", "/v1/models"), ("POST", "/v1/completions"), ("GET", "/api/model"), ("GET", "/api/patches"),
                    ("DELETE", "/api/patches/a"), ("POST", "/api/jobs"), ("GET", "/metrics"), ("GET", "/nothing"),
                    ("POST", "/api/lens"), ("GET", "/lora-adapters"), ("POST", "/")
                ]
                let wrong = [
                    nil, "Bearer wrong", "Bearer \(Self.token)x", "Bearer \(Self.token.dropLast())", Self.token,
                    "Basic \(Self.token)", "Bearer ", "bearer  \(Self.token)", "Bearer\(Self.token)"
                ]
                for (method, path) in asked where path != "/" {
                    for header in method == "GET" ? wrong : [wrong[1]] {
                        let headers = header.map { ["Authorization": $0] } ?? [:]
                        let answer = try await client.send(method, path, headers: headers, body: Data())
                        #expect(answer.status == 401 && answer.message != nil, "\(method) \(path) \(header ?? "")")
                        #expect(answer.headers["www-authenticate"] == "Bearer")
                        #expect(answer.message?.contains(Self.token) == false)
                    }
                }
                let cases: [(headers: [String: String], path: String, expected: Int)] = [
                    ([:], "/v1/models", 200), ([:], "/metrics", 200),
                    (["Origin": "http://127.0.0.1:\(client.port)"], "/v1/models", 200),
                    (["Origin": "http://evil.example"], "/v1/models", 403),
                    (["Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"], "/v1/models", 403)
                ]
                for (headers, path, expected) in cases {
                    let own = headers.merging(["Authorization": "Bearer \(Self.token)"]) { $1 }
                    let status = try await client.send("GET", path, headers: own).status
                    #expect(status == expected, "\(headers) \(path)")
                }
                // Whoever has the token may come by any name.
                let named = "GET /v1/models HTTP/1.1\r\nHost: box.example\r\nConnection: close\r\n"
                let bearer = "Authorization: Bearer \(Self.token)\r\n"
                let other = try await Wire.exchange(Array("\(named)\(bearer)\r\n".utf8), port: client.port)
                #expect(other?.status == 200)
                let origins = [("http://box.example", 200), ("https://box.example", 403), ("http://127.0.0.1", 403)]
                for (origin, expected) in origins {
                    let request = "\(named)\(bearer)Origin: \(origin)\r\n\r\n"
                    let answer = try await Wire.exchange(Array(request.utf8), port: client.port)
                    #expect(answer?.status == expected)
                }
            }
        }
    }

    @Test("another host than this machine needs a token")
    func elsewhere() async throws {
        try await Place.with { place in
            for host in ["0.0.0.0", "::", "192.168.0.1", "box.example"] {
                var address = Self.address(token: nil)
                address.host = host
                #expect(!address.isLocal)
                let error = await #expect(throws: ServerError.self) {
                    _ = try await Server(Checkpoint(place.model), folder: place.folder, address: address)
                }
                #expect(error?.code == .badRequest)
                #expect(!FileManager.default.fileExists(atPath: place.folder.path))
            }
            var all = Self.address()
            all.host = "0.0.0.0"
            try await place.serving(at: all) { client in
                let (open, shut) = (try await client.get("/health").status, try await client.get("/v1/models").status)
                #expect(open == 200 && shut == 401)
            }
        }
    }

    @Test(
        "what is no token is refused",
        arguments: [
            "", "\n", "short", "fifteen-letters", "two words that are long enough", "two-lines-of-it\ntwo-lines-of-it",
            "letters-of-\u{e4}\u{f6}\u{fc}-elsewhere", "a\0zero-within-it-somewhere",
            String(repeating: "a", count: 1001)
        ])
    func noToken(text: String) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        if !text.isEmpty {
            let error = #expect(throws: ServerError.self) { try ServerAddress.token(in: file) }
            #expect(error?.code == .badRequest && error?.description.contains(file.lastPathComponent) == true)
        } else {
            #expect(throws: (any Error).self) { try ServerAddress.token(in: file) }
        }
        try Data("  \(Self.token)\r\n".utf8).write(to: file)
        #expect(try ServerAddress.token(in: file) == Self.token)
    }

    private static let hasTools = ["openssl", "curl"].allSatisfy { (try? run($0, "--version")) != nil }

    /// What a program prints; throws where there is none, or it fails.
    @discardableResult
    private static func run(_ arguments: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            arguments[0] == "openssl" && arguments[1] == "--version" ? ["openssl", "version"] : arguments
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, FileHandle.nullDevice)
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EINVAL) }
        return String(decoding: data, as: UTF8.self)
    }

    @Test("with a certificate it speaks TLS, and nothing else", .enabled(if: hasTools, "openssl and curl are needed"))
    func tls() async throws {
        try await Place.with { place in
            func certificate(_ name: String) throws -> (chain: URL, key: URL) {
                let (chain, key) = (place.url.appending(path: "\(name).pem"), place.url.appending(path: "\(name).key"))
                try Self.run(
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key.path, "-out", chain.path)
                return (chain, key)
            }
            let (own, other) = (try certificate("own"), try certificate("other"))
            var address = Self.address()
            address.certificate = own
            try await place.serving(at: address) { client in
                let url = "https://localhost:\(client.port)/v1/models"
                let bearer = "Authorization: Bearer \(Self.token)"
                let text = try Self.run("curl", "-sf", "--cacert", own.chain.path, "-H", bearer, url)
                #expect(text.contains("tiny"))
                #expect(throws: POSIXError.self) { try Self.run("curl", "-sf", "--cacert", own.chain.path, url) }
                #expect(throws: POSIXError.self) {
                    try Self.run("curl", "-sf", "--cacert", other.chain.path, "-H", bearer, url)
                }
                #expect(throws: POSIXError.self) {
                    try Self.run("curl", "-sf", "--cacert", own.chain.path, "--tls-max", "1.1", "-H", bearer, url)
                }
                // Without TLS nothing is told.
                let plain = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                let answer = try? await Wire.exchange(Array(plain.utf8), port: client.port)
                #expect(answer == nil)
            }
            for wrong in [
                (own.chain, other.key), (own.key, own.key), (own.chain, own.chain),
                (place.url.appending(path: "none"), own.key), (own.chain, place.url)
            ] {
                address.certificate = wrong
                await #expect(throws: (any Error).self, "\(wrong)") {
                    _ = try await Server(Checkpoint(place.model), folder: place.folder, address: address)
                }
            }
        }
    }
}
