import SutureFormats
import SutureModels
import SutureSubspaces

/// A sweep: one prompt is patched from another in every layer and at every position, and what becomes of the answer.
struct SweepRequest: JobRequest {
    static let kind = "sweep"

    /// The two prompts and the component.
    var pair: SwapPassage
    /// What the model says behind the prompt, and behind the other one; nil for what it says most likely.
    var answer, other: String?

    var stack: StackRequest {
        get { pair.passage.stack }
        set { pair.passage.stack = newValue }
    }

    init(_ body: JSONField, _ workbench: Workbench) throws {
        try body.allow(SwapPassage.keys.union(["kind", "answer", "other"]))
        pair = try SwapPassage(body, workbench)
        (answer, other) = (try body.optional("answer")?.string, try body.optional("other")?.string)
    }

    init(kept body: JSONField) throws {
        pair = try SwapPassage(kept: body)
        (answer, other) = (try body.optional("answer")?.string, try body.optional("other")?.string)
    }

    var members: JSONObject {
        var members = pair.members
        if let answer { members["answer"] = JSON(answer) }
        if let other { members["other"] = JSON(other) }
        return members
    }

    /// The effects as `suture sweep` finds them.
    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome {
        let tokenizer = worker.tokenizers.of(isChat: pair.passage.isChat)
        func said(behind text: String) throws -> String {
            let tokens = tokenizer.encode(text, specials: .opening).ids
            return tokenizer.decode(try setting.model.run([tokens]).logits.top(1).indices.ints())
        }
        let prompts = PromptPair(
            base: Prompt(pair.passage.text), source: Prompt(pair.source),
            answer: try answer ?? said(behind: pair.passage.text), other: try other ?? said(behind: pair.source))
        let map = try SweepMap(
            pair.component.sweep, of: prompts, in: setting.model, tokenizer, modelName: worker.modelName,
            progress: setting.progress)
        return JobOutcome(members: ["sweep": try JSON(encoding: map)])
    }
}
