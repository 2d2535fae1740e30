import SutureFormats
import SutureTasks

/// A repair that is asked for: where the model went wrong, and what it should have written there.
struct RepairRequest: Sendable {
    /// What the model reads, as raw text.
    var prompt: String
    /// What it had written rightly before the wrong token.
    var written: String
    /// What should come next.
    var expected: String
    /// The patches that the model has; nil stands for those that were enabled when the job was asked for.
    var stack: StackRequest
    /// What the patch is to be called; nil for a free name.
    var name: String?

    /// `{"prompt" or "messages", "written", "expected", "model" or "patches", "name"}`
    init(_ body: JSONField, _ workbench: Workbench) throws {
        try body.allow(["kind", "prompt", "messages", "written", "expected", "model", "patches", "name"])
        if let kind = try body.optional("kind"), try kind.string != "repair" {
            throw ServerError(
                .badRequest, "there is no such kind of job", subject: kind.path, expected: "repair",
                found: try kind.string)
        }
        stack =
            try body.optional("model").map { try StackRequest(model: $0.string, of: workbench.name) }
            ?? StackRequest()
        if let list = try body.optional("patches") { stack = try StackRequest(list) }
        if let messages = try body.optional("messages") {
            try body.refuse("prompt") { _ in false }
            prompt = try workbench.chat.get().prompt(WritingRequest.messages(messages))
        } else {
            prompt = try body.require("prompt").string
        }
        written = try body.optional("written")?.string ?? ""
        expected = try body.require("expected").string
        name = try body.optional("name")?.string
        if let name { try PatchStore.check(name: name) }
        guard !prompt.isEmpty || !written.isEmpty else {
            throw ServerError(.badRequest, "the prompt is empty", subject: body.path)
        }
        guard !expected.isEmpty else {
            throw ServerError(.badRequest, "what the model should write is empty", subject: "\(body.path): expected")
        }
    }

    /// As ``json`` keeps it.
    init(kept body: JSONField) throws {
        (prompt, written, expected) = (
            try body.require("prompt").string, try body.require("written").string, try body.require("expected").string
        )
        stack = try body.optional("patches").map { try StackRequest($0) } ?? StackRequest()
        name = try body.optional("name")?.string
    }

    var failure: Failure { Failure(prompt: prompt + written, expected: expected) }

    /// As it is kept: the same whatever is enabled later.
    var json: JSON {
        var members: JSONObject = [
            "prompt": JSON(prompt), "written": JSON(written), "expected": JSON(expected)
        ]
        if let parts = stack.parts {
            members["patches"] = .array(
                parts.map { ["name": JSON($0.name), "scale": $0.scale.map { JSON($0) } ?? .null] })
        }
        if let name { members["name"] = JSON(name) }
        return .object(members)
    }
}
