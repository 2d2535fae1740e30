import SutureFormats
import SutureReports
import SutureSubspaces
import SutureTasks

/// The question whether patches work through the model's own pathway, asked on the answers that they repaired.
struct EvidenceRequest: JobRequest {
    static let kind = "evidence"

    var stack: StackRequest

    init(_ body: JSONField, _ workbench: Workbench) async throws {
        try body.allow(["kind", "model", "patches"])
        stack = try StackRequest(of: body, named: workbench.name)
        let patches = try await workbench.patches.resolved(stack)
        guard patches.contains(where: { !$0.patch.repaired.isEmpty }) else {
            throw ServerError(
                .badRequest, "no patch is asked about that says which answers it repaired", subject: body.path,
                expected: "patches of repairs", hint: "name one: \"patches\": [\"fix1\"]")
        }
    }

    init(kept body: JSONField) throws { stack = StackRequest() }

    var members: JSONObject { [:] }

    /// What `suture faithful --patch` finds.
    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome {
        let repaired = setting.patches.flatMap(\.patch.repaired)
        let material = try PatchPathway.Material(repaired: repaired, of: worker.base, worker.tokenizers.plain)
        let pathway = try PatchPathway(
            worker.base, setting.model, on: material, modelName: worker.modelName, progress: setting.progress)
        return JobOutcome(members: [
            "headline": JSON(pathway.headline), "evidence": try JSON(encoding: pathway)
        ])
    }
}
