import Foundation
import GRDB
import SutureFormats

/// A piece of work that takes a while, as the database keeps it.
struct Job: Codable, Sendable, FetchableRecord, MutablePersistableRecord {
    static let databaseTableName = "job"

    enum State: String, Codable, Sendable {
        case queued, running, done, failed, cancelled

        var isFinal: Bool { self == .done || self == .failed || self == .cancelled }
    }

    var id: Int64?
    /// What was asked for, as JSON.
    var request: String
    var state = State.queued
    /// What came out, as JSON.
    var result: String?
    /// Why it failed, in one line.
    var error: String?
    var created = Date()

    mutating func didInsert(_ inserted: InsertionSuccess) { id = inserted.rowID }

    /// How far it is.
    struct Progress: Sendable, Equatable {
        var activity: String
        var done: Int
        var total: Int
    }

    /// As the API tells it, with what it said while it runs.
    func json(_ entry: JobBoard.Entry?) -> JSON {
        func read(_ text: String?) -> JSON { text.flatMap { try? JSON.parse($0) } ?? .null }
        let request = read(request)
        return [
            "id": JSON(Int(id ?? 0)), "kind": request.objectValue?["kind"] ?? JSON(RepairRequest.kind),
            "state": JSON(state.rawValue), "request": request,
            "result": result == nil ? entry?.known.map { .object($0) } ?? .null : read(result),
            "error": error.map { JSON($0) } ?? .null, "created": JSON(created.formatted(.iso8601)),
            "progress": entry?.progress.map {
                ["activity": JSON($0.activity), "done": JSON($0.done), "total": JSON($0.total)]
            } ?? .null
        ]
    }
}
