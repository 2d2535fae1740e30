import GRDB
import SutureFormats
import SuturePatches
import SutureRepair

/// A patch that the server keeps.
struct StoredPatch: Sendable {
    /// What the database says of it.
    struct Row: Codable, Sendable, FetchableRecord, PersistableRecord {
        static let databaseTableName = "patch"
        var name: String
        var id: String
        var scale: Double
        var isEnabled: Bool
        var position: Int
    }

    var row: Row
    /// The patch, or why it cannot be used with this model.
    var patch: Result<Patch, ServerError>

    var name: String { row.name }
    var fits: Bool { if case .success = patch { true } else { false } }

    /// As the API tells it.
    var json: JSON {
        var members: JSONObject = [
            "name": JSON(row.name), "id": JSON(row.id), "scale": JSON(row.scale), "enabled": JSON(row.isEnabled),
            "fits": JSON(fits)
        ]
        switch patch {
        case .failure(let error): members["problem"] = JSON(error.description)
        case .success(let patch):
            members["method"] = JSON(patch.method.name)
            members["created"] = JSON(patch.created)
            members["edits"] = .array(
                patch.edits.map { ["tensor": JSON($0.tensor), "summary": JSON($0.summary)] })
            members["fixes"] = .array(
                patch.repaired.map { ["prompt": JSON($0.prompt), "expected": JSON($0.expected)] })
        }
        return .object(members)
    }
}
