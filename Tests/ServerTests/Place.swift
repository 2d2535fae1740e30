import Foundation
import SutureFormats
import SutureKit
import SutureServer
import SutureTestSupport
import Testing

/// A folder with a tiny model, and servers of it.
struct Place: Sendable {
    let url: URL
    var model: URL { url.appending(path: "tiny") }
    var folder: URL { url.appending(path: "kept") }

    static let template =
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}!{% endfor %}{% if add_generation_prompt %}>{% endif %}"

    /// Where statistics are kept, set once: other threads read the environment.
    private static let cache = setenv(
        "XDG_CACHE_HOME", FileManager.default.temporaryDirectory.appending(path: "suture-server-cache").path, 1)

    /// A place for one test.
    static func with(_ body: (Place) async throws -> Void) async throws {
        let place = Place(
            url: FileManager.default.temporaryDirectory.appending(path: "suture-server-\(UUID().uuidString)"))
        _ = cache
        defer { try? FileManager.default.removeItem(at: place.url) }
        try TinySnapshot.write(to: place.model)
        try Data(template.utf8).write(to: place.model.appending(path: "chat_template.jinja"))
        try Data(#"{"eos_token": "!"}"#.utf8).write(to: place.model.appending(path: "tokenizer_config.json"))
        try await body(place)
    }

    /// Runs a server while `body` asks it, and ends it as a signal does.
    func serving(
        _ limits: ServerLimits = ServerLimits(), patches: [URL] = [], at address: ServerAddress = .anyPort,
        _ body: (Client) async throws -> Void
    ) async throws {
        let server = try await Server(
            Checkpoint(model), patches: patches, folder: folder, address: address, limits: limits)
        try await Self.serving(server, body)
    }

    /// Runs a server while `body` asks it, and ends it as a signal does.
    static func serving(_ server: Server, _ body: (Client) async throws -> Void) async throws {
        let started = AsyncStream<URL>.makeStream()
        let running = Task { try await server.run { started.continuation.yield($0) } }
        // A server that cannot start says nothing.
        let watch = Task {
            _ = await running.result
            started.continuation.finish()
        }
        defer { watch.cancel() }
        var places = started.stream.makeAsyncIterator()
        let port = try #require(await places.next()?.port, "the server did not start")
        do { try await body(Client(port: port)) } catch {
            server.stop()
            _ = await running.result
            throw error
        }
        server.stop()
        try await running.value
    }

    /// A patch that changes what some neurons write.
    func patch(_ neurons: [Int], layer: Int = 1, strength: Float = 3, seed: UInt64 = 5) throws -> Patch {
        var random = SplitMix64(state: seed)
        let changes = neurons.map { index in
            NeuronChange(
                tensor: "model.layers.\(layer).mlp.down_proj.weight", kind: .columns, index: index,
                delta: (0..<TinySnapshot.width).map { _ in Float.random(in: -strength...strength, using: &random) })
        }
        return try Patch.neurons(changes, of: Checkpoint(model), method: .init(name: "test"))
    }

    /// The same in a file.
    func file(_ patch: Patch, _ name: String) throws -> URL {
        let file = url.appending(path: name)
        try patch.write(to: file, overwriting: true)
        return file
    }

    /// What `suture generate` writes.
    func written(
        _ prompt: String, tokens: Int, patches: [AppliedPatch] = [], sampling: Sampling? = nil, stop: [String] = []
    ) throws -> String {
        let checkpoint = try Checkpoint(model)
        let patched = try PatchedCheckpoint(checkpoint).adding(patches)
        let model = try LanguageModel.load(checkpoint) { try patched.data(for: $0, current: $1) }
        let tokenizer = try Tokenizer(checkpoint)
        let writing = TextWriting(tokenizer, stopStrings: stop, limit: tokens, sampling: sampling)
        return try writing.write(model, behind: tokenizer.encode(prompt, specials: .opening).ids).text
    }
}

extension ServerAddress {
    /// A free port of this machine.
    static var anyPort: ServerAddress {
        var address = ServerAddress()
        address.port = 0
        return address
    }
}

/// A client of a server on this machine.
struct Client: Sendable {
    let port: Int

    func send(
        _ method: String, _ path: String, headers: [String: String] = [:], body: Data? = nil
    ) async throws -> Answer {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Connection: close"]
        lines += headers.map { "\($0): \($1)" }
        if let body { lines.append("Content-Length: \(body.count)") }
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? Data())
        return try #require(try await Wire.exchange(bytes, port: port), "no answer to \(method) \(path)")
    }

    func get(_ path: String) async throws -> Answer { try await send("GET", path) }

    func post(_ path: String, _ json: [String: Any], method: String = "POST") async throws -> Answer {
        try await send(
            method, path, headers: ["Content-Type": "application/json"],
            body: JSONSerialization.data(withJSONObject: json))
    }

    func upload(_ file: URL, as name: String) async throws -> Answer {
        try await send(
            "PUT", "/api/patches/\(name)", headers: ["Content-Type": "application/octet-stream"],
            body: Data(contentsOf: file))
    }

    /// The text that is written behind a prompt, the most likely token each time.
    func text(_ prompt: String, tokens: Int = 12, _ more: [String: Any] = [:]) async throws -> String {
        let request = ["prompt": prompt, "max_tokens": tokens, "temperature": 0].merging(more) { $1 }
        let answer = try await post("/v1/completions", request)
        try #require(answer.status == 200, "\(answer.text)")
        return try #require((answer.json["choices"] as? [[String: Any]])?.first?["text"] as? String)
    }

    /// Waits for a job to end.
    func finished(_ id: Int) async throws -> [String: Any] {
        try #require(try await get("/api/jobs/\(id)/events").events.last)
    }
}
