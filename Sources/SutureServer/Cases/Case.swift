import GRDB
import SutureFormats
import SutureTasks

/// A prompt of one's own and the answer that it should have, whatever is repaired.
struct Case: Codable, Sendable, Equatable, FetchableRecord, MutablePersistableRecord {
    static let databaseTableName = "regression"

    var id: Int64?
    /// What the model reads, as raw text.
    var prompt: String
    var expected: String
    var isChat: Bool

    mutating func didInsert(_ inserted: InsertionSuccess) { id = inserted.rowID }

    var failure: Failure { Failure(prompt: prompt, expected: expected) }

    /// `{"prompt" or "messages", "written", "expected"}`
    init(_ body: JSONField, _ workbench: Workbench) throws {
        try body.allow(["prompt", "messages", "written", "expected"])
        let passage = try Passage(body, workbench)
        (prompt, isChat) = (passage.text, passage.isChat)
        expected = try body.require("expected").string
        guard !expected.isEmpty else {
            throw ServerError(.badRequest, "what the model should write is empty", subject: "\(body.path): expected")
        }
    }

    /// A list of these, as a request brings it.
    static func list(_ field: JSONField, atLeast fewest: Int, _ workbench: Workbench) throws -> [Case] {
        let list = try field.array
        guard (fewest...CaseStore.limit).contains(list.count) else {
            throw ServerError(
                .badRequest, "these are not as many prompts as can be asked", subject: field.path,
                expected: "\(fewest)...\(CaseStore.limit)", found: "\(list.count)")
        }
        return try list.map { try Case($0, workbench) }
    }

    /// As ``members`` keeps it.
    init(kept body: JSONField) throws {
        (prompt, expected) = (try body.require("prompt").string, try body.require("expected").string)
        isChat = try body.require("chat").bool
        id = try body.optional("id").map { Int64(try $0.int) }
    }

    var members: JSONObject {
        var members: JSONObject = ["prompt": JSON(prompt), "expected": JSON(expected), "chat": JSON(isChat)]
        if let id { members["id"] = JSON(Int(id)) }
        return members
    }
}
