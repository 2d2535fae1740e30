import SutureFormats
import SutureTasks

/// A repair that is asked for: where the model went wrong, and what it should have written there.
struct RepairRequest: Sendable {
    /// What stands before the wrong token.
    var passage: Passage
    /// What should come next.
    var expected: String
    /// What the patch is to be called; nil for a free name.
    var name: String?

    /// A passage with `expected`, and perhaps `name` and `kind`.
    init(_ body: JSONField, _ workbench: Workbench) throws {
        try body.allow(Passage.keys.union(["kind", "expected", "name"]))
        if let kind = try body.optional("kind"), try kind.string != "repair" {
            throw ServerError(
                .badRequest, "there is no such kind of job", subject: kind.path, expected: "repair",
                found: try kind.string)
        }
        passage = try Passage(body, workbench)
        expected = try body.require("expected").string
        name = try body.optional("name")?.string
        if let name { try PatchStore.check(name: name) }
        guard !expected.isEmpty else {
            throw ServerError(.badRequest, "what the model should write is empty", subject: "\(body.path): expected")
        }
    }

    /// As ``json`` keeps it.
    init(kept body: JSONField) throws {
        passage = try Passage(kept: body)
        expected = try body.require("expected").string
        name = try body.optional("name")?.string
    }

    var failure: Failure { Failure(prompt: passage.text, expected: expected) }

    /// As it is kept: the same whatever is enabled later.
    var json: JSON {
        var members: JSONObject = [
            "prompt": JSON(passage.prompt), "written": JSON(passage.written), "expected": JSON(expected),
            "chat": JSON(passage.isChat)
        ]
        if let parts = passage.stack.parts {
            members["patches"] = .array(
                parts.map { ["name": JSON($0.name), "scale": $0.scale.map { JSON($0) } ?? .null] })
        }
        if let name { members["name"] = JSON(name) }
        return .object(members)
    }
}
