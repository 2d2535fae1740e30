import SutureFormats
import SutureModels
import SutureRepair
import SutureTasks
import SutureTensor

/// A repair: where the model went wrong, and what it should have written there.
struct RepairRequest: JobRequest {
    static let kind = "repair"

    /// What stands before the wrong token.
    var passage: Passage
    /// What should come next.
    var expected: String
    /// What the patch is to be called; nil for a free name.
    var name: String?
    /// Prompts whose right answers have to stay; nil for those that are kept when the repair begins.
    var keep: [Case]?

    var stack: StackRequest {
        get { passage.stack }
        set { passage.stack = newValue }
    }

    /// How many tokens of the answers before and after are told.
    private static let shown = 48

    /// A passage with `expected`, and perhaps `name` and `keep`.
    init(_ body: JSONField, _ workbench: Workbench) throws {
        try body.allow(Passage.keys.union(["kind", "expected", "name", "keep"]))
        passage = try Passage(body, workbench)
        expected = try body.require("expected").string
        name = try body.optional("name")?.string
        if let name { try PatchStore.check(name: name) }
        keep = try body.optional("keep").map { try Case.list($0, atLeast: 0, workbench) }
        guard !expected.isEmpty else {
            throw ServerError(.badRequest, "what the model should write is empty", subject: "\(body.path): expected")
        }
    }

    init(kept body: JSONField) throws {
        passage = try Passage(kept: body)
        expected = try body.require("expected").string
        name = try body.optional("name")?.string
        keep = try body.optional("keep")?.array.map { try Case(kept: $0) }
    }

    var members: JSONObject {
        var members = passage.members
        members["expected"] = JSON(expected)
        if let name { members["name"] = JSON(name) }
        if let keep { members["keep"] = .array(keep.map { .object($0.members) }) }
        return members
    }

    /// Finds the change and tells the answer with it; then measures what else it does.
    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome {
        let (model, cases) = (setting.model, try keep ?? worker.cases.list())
        var failure = Failure(prompt: passage.text, expected: expected)
        // What is asked for goes before what was kept of the very same prompt; the other form of asking is measured only.
        let kept = cases.filter { $0.isChat == passage.isChat && $0.prompt != passage.text }
        failure.keep = kept.map(\.failure)
        var repair = try worker.repair(of: model, setting.patches, isChat: passage.isChat, setting.progress)
        repair.progress = setting.progress
        var (members, patched) = (JSONObject(), model)
        repair.found = { change in
            guard !change.isEmpty else { return }
            patched = try model.applying(change)
            // Its first tokens are sure: nothing is accepted that greedy decoding does not write.
            let sure = passage.written + expected
            setting.tell(.known(["after": JSON(sure)]))
            let text = try answer(of: patched, worker.tokenizers) { text in
                if text.count > sure.count { setting.tell(.known(["after": JSON(text)])) }
            }
            members["after"] = JSON(text)
            setting.tell(.known(members))
        }
        let result = try repair.run([failure], modelName: worker.modelName)
        members["before"] = JSON(try answer(of: model, worker.tokenizers))
        members["report"] = try JSON(encoding: result.report)
        members["keep"] = .array(kept.map { .object($0.members) })
        guard !result.change.isEmpty else { return JobOutcome(members: members) }
        members["reach"] = try RepairReach(
            failure, model, result.change, worker.tokenizers.of(isChat: passage.isChat), progress: setting.progress
        ).json
        if !cases.isEmpty {
            members["cases"] = try CaseComparison(
                cases, model, patched, worker.tokenizers, progress: setting.progress
            ).json
        }
        let patch = try result.patch(of: worker.checkpoint, model.architecture, on: setting.patches)
        return JobOutcome(patch: patch, name: name, members: members)
    }

    /// What a model writes from the beginning of its answer, most likely token by token; told as it grows.
    private func answer(
        of model: LanguageModel, _ tokenizers: Tokenizers, tell: (String) -> Void = { _ in }
    ) throws -> String {
        var text = ""
        let writing = TextWriting(
            tokenizers.plain, ends: tokenizers.ends(isChat: passage.isChat), limit: Self.shown)
        let tokens = tokenizers.tokens(of: passage.prompt, isChat: passage.isChat)
        return try Tensor.withoutGradients {
            try writing.write(model, behind: tokens) { piece in
                text += piece
                tell(text)
            }.text
        }
    }
}
