import Hummingbird
import ServiceLifecycle
import SutureFormats
import SutureModels
import SuturePatches

/// A model that is served, with what the routes of every kind of model work with.
protocol Bench: Sendable {
    /// What the model is called.
    var name: String { get }
    var patches: PatchStore { get }
    var limits: ServerLimits { get }
    var meter: Meter { get }
    /// What the page wants to know of the model.
    var facts: JSON { get }
    /// The page.
    var page: [UInt8] { get }
    /// What runs beside the requests.
    var services: [any Service] { get }
    /// Adds the routes that only this kind of model has, and refuses those of the other kind.
    func addOwn(to router: Router<ServerContext>)
    /// Is told when the server starts, and when patches were switched.
    func begin() async
    func prepare() async
}

extension Bench {
    /// The names under which the model can be asked: alone, and with each patch.
    func modelNames() async -> [String] {
        let names = await patches.list().filter(\.fits).map(\.name)
        return [name] + names.map { "\(name)+\($0)" }
    }
}

/// What all routes of a language model work with.
struct Workbench: Bench {
    let name: String
    let tokenizers: Tokenizers
    let stacks: ModelStacks
    let engine: Engine
    let patches: PatchStore
    let jobs: JobRunner
    let cases: CaseStore
    let limits: ServerLimits
    let meter: Meter

    /// The patches that a request asks for, and the model that they make.
    func model(_ request: StackRequest) async throws -> (model: LanguageModel, patches: [AppliedPatch]) {
        let patches = try await patches.resolved(request)
        return (try await stacks.model(patches), patches)
    }

    var facts: JSON {
        let architecture = stacks.base.architecture
        return [
            "kind": "language", "name": JSON(name), "family": JSON(architecture.family),
            "layers": JSON(architecture.layers), "heads": JSON(architecture.heads), "width": JSON(architecture.width),
            "context": JSON(architecture.contextLength), "chat": JSON(tokenizers.hasChat)
        ]
    }

    var page: [UInt8] { PackageResources.index_html }
    var services: [any Service] { [jobs] }

    func addOwn(to router: Router<ServerContext>) {
        WritingRoutes(workbench: self).add(to: router)
        JobRoutes(workbench: self).add(to: router)
        CaseRoutes(workbench: self).add(to: router)
        InsideRoutes(workbench: self).add(to: router)
        RefusedRoutes.ofPictures.add(to: router)
    }

    func begin() async { await jobs.begin() }
    func prepare() async { await jobs.prepare() }
}
