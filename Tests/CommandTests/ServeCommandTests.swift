import Foundation
import SutureTestSupport
import Testing

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@Suite("suture serve", .serialized)
struct ServeCommandTests {
    /// Runs a server until it is told to end by a signal. Returns its exit code, and what else it said.
    private func serving(
        _ arguments: [String], in directory: URL, by signal: Int32, _ body: (URL) async throws -> Void
    ) async throws -> (status: Int32, errors: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["--default-signal=INT", Command.executable.path, "serve"] + arguments
        process.currentDirectoryURL = directory
        process.environment = ProcessInfo.processInfo.environment.merging([
            "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": directory.path + "-cache"
        ]) { $1 }
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        defer { process.terminate() }
        var said = ""
        while !said.contains("\n") {
            let more = errors.fileHandleForReading.availableData
            guard !more.isEmpty else { break }
            said += String(decoding: more, as: UTF8.self)
        }
        let found = try #require(said.firstMatch(of: /http:\/\/127\.0\.0\.1:\d+\//), "\(said)")
        try await body(#require(URL(string: String(found.0))))
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        let rest = errors.fileHandleForReading.readDataToEndOfFile()
        return (process.terminationStatus, String(decoding: rest, as: UTF8.self))
    }

    private func text(_ url: URL) async throws -> String {
        var request = URLRequest(url: url.appending(path: "v1/completions"))
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = Data(#"{"prompt": "abc", "max_tokens": 4, "temperature": 0}"#.utf8)
        let (data, _) = try await URLSession.shared.data(for: request)
        let json = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return try #require((json?["choices"] as? [[String: Any]])?.first?["text"] as? String)
    }

    @Test("answers as generate does, with the patches of its line, and ends quietly", arguments: [SIGINT, SIGTERM])
    func serving(signal: Int32) async throws {
        let place = try Workplace()
        let line = ["model", "--port", "0", "--folder", "kept", "--patch", "good.fix"]
        let ended = try await serving(line, in: place.url, by: signal) { url in
            let expected = try place.run("generate model -p abc -n 4 --patch good.fix").text
            #expect(try await text(url) + "\n" == expected)
        }
        #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended)")
    }

    @Test("a port or a folder that is in use is an error of one line")
    func inUse() async throws {
        let place = try Workplace()
        let line = ["model", "--port", "0", "--folder", "kept"]
        let ended = try await serving(line, in: place.url, by: SIGTERM) { url in
            let port = try #require(url.port)
            let listening = try place.run("serve model --port \(port) --folder other-kept")
            #expect(listening.status == 1 && listening.errors.contains("cannot listen here"), "\(listening.errors)")
            let folder = try place.run("serve model --port 0 --folder kept")
            #expect(folder.status == 3 && folder.errors.contains("another server uses this folder"), "\(folder.errors)")
        }
        #expect(ended.status == 0, "\(ended)")
    }
}
