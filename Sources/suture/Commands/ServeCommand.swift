import ArgumentParser
import Foundation
import SutureKit
import SutureServer

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a model to programs and to the browser.",
        discussion: """
            Programs that speak OpenAI's API ask it under http://127.0.0.1:8080/v1; the page under http://127.0.0.1:8080 \
            shows each token with its rivals, repairs a wrong one, and switches patches on and off. A request has its own \
            patches by the name of its model: base+fix1@0.5+fix2. Of a classifier of images the page shows what it sees on a picture, \
            clean and corrupted, without patches and with them. Ctrl-C ends it when what runs is finished, a second one \
            at once. Others than this machine can ask only where --host says so, and only with a token.

            suture serve model.gguf --patch fix.safetensors
            suture serve classifier --images fashion-mnist --patch fog.safetensors
            suture serve model.gguf --host 0.0.0.0 --token token.txt --certificate chain.pem --key key.pem
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "A patch to take up and switch on; may be given several times.")
    var patch: [String] = []

    @Option(help: "The folder that keeps patches and jobs. (default: suture/server in the user's data directory)")
    var folder: String?

    @Option(help: "A file of suture statistics, so that the first repair need not read reference texts.")
    var statistics: String?

    @Option(help: "A data set whose images may be chosen, at most 1000 evenly spread; of a classifier only.")
    var images: String?

    @OptionGroup var reading: ImageOptions

    @Option(help: "The port; 0 for any that is free.")
    var port = 8080

    @Option(help: "The name or address to listen on; another one than this machine needs --token.")
    var host = "127.0.0.1"

    @Option(help: "A file with the token that requests bring, as OpenAI's API key.")
    var token: String?

    @Option(help: "A certificate with those that signed it, in PEM: HTTPS in place of HTTP.")
    var certificate: String?

    @Option(help: "The certificate's private key, in PEM.")
    var key: String?

    @OptionGroup var work: ThreadOptions

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port is 0...65535, not \(port).") }
        guard folder != "" else { throw ValidationError("--folder is empty.") }
        guard !host.isEmpty else { throw ValidationError("--host is empty.") }
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--certificate and --key go together.")
        }
        guard address.isLocal || token != nil else {
            throw ValidationError(
                "--host \(host) lets others than this machine ask, which needs --token FILE: openssl rand -hex 16 > FILE"
            )
        }
    }

    /// Without the token.
    private var address: ServerAddress {
        var address = ServerAddress()
        (address.host, address.port) = (host, port)
        if let certificate, let key { address.certificate = (URL(filePath: certificate), URL(filePath: key)) }
        return address
    }

    func run() throws {
        let files = [model.model] + patch + [statistics, token, certificate, key]
        try FilePlan(reading: files + (images.map(ImageOptions.files) ?? []), writing: []).check()
        var address = address
        address.token = try token.map { try ServerAddress.token(in: URL(filePath: $0)) }
        let checkpoint = try model.checkpoint()
        let make = try ClassifierArchitecture.describes(checkpoint) ? classifier(checkpoint) : language(checkpoint)
        if !address.isLocal, address.certificate == nil {
            note("without --certificate the token and all texts can be read on their way")
        }
        try waiting { [address] in
            let server = try await make(address)
            Signals.soften { server.stop() }
            try await server.run { note("serving \(model.url.lastPathComponent) on \($0); Ctrl-C ends it") }
        }
    }

    private typealias Maker = @Sendable (ServerAddress) async throws -> Server

    private func language(_ checkpoint: Checkpoint) throws -> Maker {
        guard images == nil, reading.size.asked == nil else {
            throw ServerError(
                .badRequest, "a language model sees no images", subject: model.url.lastPathComponent,
                hint: "leave out --images, --resize and --pad")
        }
        let (device, memory) = (Device(model.files.device) ?? .cpu, model.memory?.bytes)
        let (patches, folder) = (patch.map { URL(filePath: $0) }, folder.map { URL(filePath: $0) })
        let statistics = try statistics.map { try StatisticsFile(URL(filePath: $0), of: checkpoint) }
        return { address in
            try await Server(
                checkpoint, device: device, memory: memory, patches: patches, statistics: statistics, folder: folder,
                address: address)
        }
    }

    private func classifier(_ checkpoint: Checkpoint) throws -> Maker {
        guard statistics == nil, model.memory == nil else {
            throw ServerError(
                .badRequest, "a classifier of images is not repaired by texts", subject: model.url.lastPathComponent,
                hint: "leave out --statistics and --memory")
        }
        let architecture = try ClassifierArchitecture(
            config: checkpoint.config.value, source: checkpoint.config.path)
        let images = try images.map { try reading.images($0, for: architecture, limit: 1000) }
        let (device, fit) = (Device(model.files.device) ?? .cpu, reading.size.asked)
        let (patches, folder) = (patch.map { URL(filePath: $0) }, folder.map { URL(filePath: $0) })
        return { address in
            try await Server(
                classifier: checkpoint, device: device, images: images, fit: fit, patches: patches, folder: folder,
                address: address)
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
