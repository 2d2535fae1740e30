import Foundation
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair
import SutureTasks
import SutureTensor
import SutureTokenizers
import SutureVision

/// Serves a model, on this machine unless told otherwise, with patches and a page for the browser: a language model with
/// OpenAI's API and repairs, or a classifier of images.
///
/// ```swift
/// let server = try await Server(checkpoint)
/// try await server.run { print("listening on \($0)") }
/// ```
///
/// The model is loaded once and never changed: a request's patches make a model that shares all weights but the changed
/// ones.
public struct Server: Sendable {
    private let bench: any Bench
    private let address: CheckedAddress
    private let storage: Storage
    private let ending = AsyncStream<Void>.makeStream()

    /// Loads a language model and opens the folder.
    ///
    /// - Parameters:
    ///   - checkpoint: the model's files.
    ///   - device: where it computes.
    ///   - memory: the bytes that its weights may take; nil for a bound by what is free.
    ///   - patches: patch files that are taken up, and switched on.
    ///   - statistics: those of the model without patches, for its first repair.
    ///   - folder: where patches and jobs are kept; nil for `suture/server` in the user's data directory.
    ///   - address: where it listens, and who may ask.
    ///   - limits: how much it takes on.
    /// - Throws: ``ServerError``, or an error of the libraries for files that do not fit.
    public init(
        _ checkpoint: Checkpoint, device: Device = .cpu, memory: Int? = nil, patches: [URL] = [],
        statistics: StatisticsFile? = nil, folder: URL? = nil, address: ServerAddress = ServerAddress(),
        limits: ServerLimits = ServerLimits()
    ) async throws {
        self.address = try address.checked()
        let plain = try Tokenizer(checkpoint)
        let tokenizers = Tokenizers(plain: plain, chat: Result { try ChatFormat(checkpoint, plain) }.telling)
        let given = try Self.patches(patches, of: checkpoint)
        let model = try LanguageModel.load(checkpoint, device: device, memory: memory)
        // The first thing that is written: all that is given has been looked at.
        storage = try Storage(folder ?? Storage.standardFolder)
        let store = try await Self.store(storage, checkpoint, given)
        let stacks = ModelStacks(checkpoint, model)
        let meter = Meter()
        let limits = limits.fitted(toBytesOfToken: model.architecture.bytesOfToken)
        let cases = CaseStore(storage: storage)
        let worker = JobWorker(checkpoint, model, tokenizers, cases, statistics)
        bench = Workbench(
            name: Self.name(of: checkpoint), tokenizers: tokenizers, stacks: stacks,
            engine: Engine(plain, limits, meter), patches: store,
            jobs: try JobRunner(storage, worker, stacks, store, limits), cases: cases, limits: limits, meter: meter)
    }

    /// Loads a classifier of images and opens the folder.
    ///
    /// - Parameters:
    ///   - checkpoint: the classifier's files.
    ///   - device: where it computes.
    ///   - images: those that may be chosen, as they were read; nil where pictures are only sent.
    ///   - fit: how pictures that are sent are prepared; nil for how the classifier's own images were.
    ///   - patches: patch files that are taken up, and switched on.
    ///   - folder: where patches are kept; nil for `suture/server` in the user's data directory.
    ///   - address: where it listens, and who may ask.
    ///   - limits: how much it takes on.
    /// - Throws: ``ServerError``, or an error of the libraries for files that do not fit.
    public init(
        classifier checkpoint: Checkpoint, device: Device = .cpu, images: ImageSet? = nil, fit: ImageFit? = nil,
        patches: [URL] = [], folder: URL? = nil, address: ServerAddress = ServerAddress(),
        limits: ServerLimits = ServerLimits()
    ) async throws {
        self.address = try address.checked()
        let given = try Self.patches(patches, of: checkpoint)
        let classifier = try ImageClassifier.load(checkpoint, device: device)
        // Images that the classifier does not take are found out before anybody asks.
        if let images { _ = try classifier.classify(images.subset([0])) }
        storage = try Storage(folder ?? Storage.standardFolder)
        bench = PictureBench(
            name: Self.name(of: checkpoint), patches: try await Self.store(storage, checkpoint, given),
            desk: PictureDesk(checkpoint, classifier, images, fit: fit), limits: limits, meter: Meter())
    }

    /// Answers requests until ``stop()`` is called or the task is cancelled; requests that run then are finished first.
    /// Once: afterwards the folder is another server's.
    ///
    /// - Parameter onStart: is told where the server listens.
    public func run(onStart: @escaping @Sendable (URL) -> Void) async throws {
        var logger = Logger(label: "suture")
        logger.logLevel = .critical
        let (limits, address) = (bench.limits, address)
        let (host, port) = (address.address.host, address.address.port)
        let application = Application(
            responder: GuardedResponder(router.buildResponder(), bench.meter, address),
            server: try address.builder(
                .http1(
                    configuration: .init(
                        idleTimeout: .seconds(Int64(limits.idleSeconds)),
                        httpDecoderConfiguration: .init(
                            maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)))),
            configuration: .init(
                address: .hostname(host, port: port), serverName: "suture",
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { channel in
                guard let port = channel.localAddress?.port, let url = address.url(port: port) else { return }
                onStart(url)
            },
            logger: logger)
        var configuration = ServiceGroupConfiguration(
            services: (bench.services + [application]).map { .init(service: $0) }, logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(limits.shutdownSeconds)
        let group = ServiceGroup(configuration: configuration)
        await bench.begin()
        let watcher = Task { [stream = ending.stream] in
            for await _ in stream { await group.triggerGracefulShutdown() }
        }
        defer {
            watcher.cancel()
            // The next server may have the folder at once, whoever still holds this one.
            try? storage.database.close()
        }
        do {
            try await group.run()
        } catch is CancellationError {
            // What had not ended in time was given up.
        } catch is SocketAddressError.UnknownHost {
            throw ServerError(
                .cannotStart, "the server cannot listen here", subject: "\(host):\(port)", found: "no such host",
                hint: "name another --host")
        } catch let error as IOError {
            throw ServerError(
                .cannotStart, "the server cannot listen here", subject: "\(host):\(port)",
                found: String(cString: strerror(error.errnoCode)), hint: "name another --port or --host")
        }
    }

    /// Lets ``run(onStart:)`` end: nothing new is taken on, what runs is finished.
    public func stop() { ending.continuation.yield() }

    /// What is answered, as `GET /api/jobs/{id}`; HEAD comes with each GET.
    package var routes: [String] {
        router.routes.filter { $0.method != .head }.map { "\($0.method.rawValue) \($0.path)" }
    }

    private var router: Router<ServerContext> {
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        ModelRoutes(bench: bench).add(to: router)
        PatchRoutes(bench: bench).add(to: router)
        bench.addOwn(to: router)
        PageRoutes(page: bench.page).add(to: router)
        return router
    }

    /// The patches of the command line, held against the model.
    private static func patches(_ files: [URL], of checkpoint: Checkpoint) throws -> [(URL, Patch)] {
        let given = try files.map { ($0, try Patch(contentsOf: $0)) }
        try PatchedCheckpoint(checkpoint).adding(given.map { AppliedPatch($1) }).check()
        return given
    }

    /// The patches that the folder keeps, and those of the command line.
    private static func store(
        _ storage: Storage, _ checkpoint: Checkpoint, _ given: [(URL, Patch)]
    ) async throws -> PatchStore {
        let store = try PatchStore(storage, checkpoint)
        for (url, patch) in given { try await add(patch, from: url, to: store) }
        return store
    }

    /// Takes up a patch of the command line, unless it is there, and switches it on.
    private static func add(_ patch: Patch, from url: URL, to store: PatchStore) async throws {
        if let known = await store.list().first(where: { $0.row.id == patch.id }) {
            _ = try await store.set(known.name, isEnabled: true, scale: 1)
            return
        }
        let plain = name(url.deletingPathExtension().lastPathComponent)
        let isFree = await !store.list().contains { $0.name == plain }
        try await store.add(patch, name: isFree ? plain : store.freeName(), isEnabled: true)
    }

    /// A file's name without what cannot stand in the name of a model or a patch.
    private static func name(_ text: String) -> String {
        let plain = text.replacing(/[^A-Za-z0-9._-]/, with: "-").drop { !($0.isLetter || $0.isNumber) }.prefix(64)
        return plain.isEmpty ? "model" : String(plain)
    }

    private static func name(of checkpoint: Checkpoint) -> String {
        let url = checkpoint.url
        return name((checkpoint.gguf == nil ? url : url.deletingPathExtension()).lastPathComponent)
    }
}

extension Architecture {
    /// How much room the keys and values of a token take, in bytes.
    fileprivate var bytesOfToken: Int { 2 * layers * keyValueHeads * headWidth * MemoryLayout<Float>.size }
}
