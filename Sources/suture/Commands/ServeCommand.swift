import ArgumentParser
import Foundation
import SutureKit
import SutureServer

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a model to programs and to the browser, on this machine.",
        discussion: """
            Programs that speak OpenAI's API ask it under http://127.0.0.1:8080/v1; the page under http://127.0.0.1:8080 \
            shows each token with its rivals, repairs a wrong one, and switches patches on and off. A request has its own \
            patches by the name of its model: base+fix1@0.5+fix2. Ctrl-C ends it when what runs is finished, a second one \
            at once.

            suture serve model.gguf --patch fix.safetensors
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "A patch to take up and switch on; may be given several times.")
    var patch: [String] = []

    @Option(help: "The folder that keeps patches and jobs. (default: suture/server in the user's data directory)")
    var folder: String?

    @Option(help: "The port on 127.0.0.1; 0 for any that is free.")
    var port = 8080

    @OptionGroup var work: ThreadOptions

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port is 0...65535, not \(port).") }
        guard folder != "" else { throw ValidationError("--folder is empty.") }
    }

    func run() throws {
        try FilePlan(reading: [model.model] + patch, writing: []).check()
        let checkpoint = try model.checkpoint()
        let (device, memory) = (Device(model.files.device) ?? .cpu, model.memory?.bytes)
        let (patches, folder) = (patch.map { URL(filePath: $0) }, folder.map { URL(filePath: $0) })
        try waiting {
            let server = try await Server(
                checkpoint, device: device, memory: memory, patches: patches, folder: folder, port: port)
            Signals.soften { server.stop() }
            try await server.run { note("serving \(model.url.lastPathComponent) on \($0); Ctrl-C ends it") }
        }
    }

    /// Waits for work that is done elsewhere.
    private func waiting(_ body: @escaping @Sendable () async throws -> Void) throws {
        let (done, outcome) = (DispatchSemaphore(value: 0), Outcome())
        Task.detached {
            do { try await body() } catch { outcome.error = error }
            done.signal()
        }
        done.wait()
        if let error = outcome.error { throw error }
    }

    private final class Outcome: @unchecked Sendable {
        // Sendable: written before the semaphore is signalled, read behind it.
        var error: (any Error)?
    }
}
