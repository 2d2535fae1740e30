import GRDB

/// The prompts that must stay right, in the database.
struct CaseStore: Sendable {
    let storage: Storage

    /// How many there are at most: each is asked twice for every repair.
    static let limit = 200

    /// All of them, in the order in which they came.
    func list() throws -> [Case] { try storage.database.read { try Case.order(Column("id")).fetchAll($0) } }

    /// Keeps one more. Throws ``ServerError`` for one that is there already, and where there are too many.
    func add(_ new: Case) throws -> Case {
        try storage.database.write { database in
            let kept = try Case.fetchAll(database)
            guard kept.count < Self.limit else {
                throw ServerError(.conflict, "too many prompts are kept", expected: "\(Self.limit) at most")
            }
            guard !kept.contains(where: { $0.prompt == new.prompt && $0.isChat == new.isChat }) else {
                throw ServerError(
                    .conflict, "this prompt is kept already", found: "\"\(new.prompt.suffix(60))\"",
                    hint: "remove it first")
            }
            var new = new
            try new.insert(database)
            return new
        }
    }

    /// Forgets one. Throws ``ServerError`` where there is none of that number.
    func remove(_ id: Int64) throws {
        guard try storage.database.write({ try Case.deleteOne($0, key: id) }) else {
            throw ServerError(.notFound, "there is no such prompt", found: "\(id)")
        }
    }
}
