import SutureFormats
import SutureModels
import SuturePatches

/// What all routes work with.
struct Workbench: Sendable {
    /// What the model is called.
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

    /// The names under which the model can be asked: alone, and with each patch.
    func modelNames() async -> [String] {
        let names = await patches.list().filter(\.fits).map(\.name)
        return [name] + names.map { "\(name)+\($0)" }
    }
}
