import Foundation
import GRDB
import SutureFormats
import SuturePatches

/// The patches that the server keeps: files in a folder, and what is said of them in its database.
actor PatchStore {
    private let storage: Storage
    private let checkpoint: Checkpoint
    private var stored: [StoredPatch] = []

    /// Reads what the folder keeps. A patch whose file is not whole, or that is of another model, is kept and not used.
    init(_ storage: Storage, _ checkpoint: Checkpoint) throws {
        (self.storage, self.checkpoint) = (storage, checkpoint)
        let rows = try storage.database.read { try StoredPatch.Row.order(Column("position")).fetchAll($0) }
        let known = Set(rows.map { Self.fileName($0.id) })
        // What was not finished when a server was killed.
        for name in try FileManager.default.names(in: storage.patches) where !known.contains(name) {
            try? FileManager.default.removeItem(at: storage.patches.appending(path: name))
        }
        stored = rows.map { row in
            StoredPatch(row: row, patch: Result { try Self.open(row, storage, checkpoint) }.telling)
        }
    }

    private static func fileName(_ id: String) -> String { "\(id.suffix(64)).safetensors" }

    private static func open(_ row: StoredPatch.Row, _ storage: Storage, _ checkpoint: Checkpoint) throws -> Patch {
        let patch = try Patch(contentsOf: storage.patches.appending(path: fileName(row.id)))
        guard patch.id == row.id else {
            throw ServerError(.conflict, "the file is another patch", expected: row.id, found: patch.id)
        }
        try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]).check()
        return patch
    }

    /// All patches, in the order in which they came.
    func list() -> [StoredPatch] { stored }

    /// The patch of that name, or whose id begins so.
    func find(_ name: String) throws -> StoredPatch { stored[try place(name)] }

    /// The file of a patch.
    nonisolated func file(of patch: StoredPatch) -> URL { storage.patches.appending(path: Self.fileName(patch.row.id)) }

    /// A place for a file that is being sent.
    nonisolated func temporaryFile() -> URL { storage.patches.appending(path: ".upload-\(UUID().uuidString)") }

    /// Takes up a patch after it was held against the model.
    ///
    /// Throws `PatchError` for another base, and ``ServerError`` for a name that is no name or is taken.
    @discardableResult
    func add(_ patch: Patch, name: String, isEnabled: Bool = false, scale: Double = 1) throws -> StoredPatch {
        try Self.check(name: name)
        if let same = stored.first(where: { $0.row.id == patch.id }) {
            throw ServerError(.conflict, "this patch is there already", found: same.name)
        }
        guard !stored.contains(where: { $0.name == name }) else {
            throw ServerError(.conflict, "this name is taken", found: name, hint: "choose another one")
        }
        try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]).check()
        let row = StoredPatch.Row(
            name: name, id: patch.id, scale: scale, isEnabled: isEnabled,
            position: (stored.map(\.row.position).max() ?? 0) + 1)
        var new = StoredPatch(row: row, patch: .success(patch))
        if isEnabled { try check(stored + [new]) }
        let url = storage.patches.appending(path: Self.fileName(patch.id))
        try patch.write(to: url, overwriting: true)
        // What is written now is what is used from now on.
        new.patch = .success(try Patch(contentsOf: url))
        try storage.database.write { try row.insert($0) }
        stored.append(new)
        return new
    }

    /// A name that no patch has: `fix1`, `fix2` and so on.
    func freeName() -> String {
        let taken = Set(stored.map(\.name))
        return "fix\((1...).first { !taken.contains("fix\($0)") } ?? 0)"
    }

    /// Switches a patch on or off, or changes its scale, for requests that name no patches.
    func set(_ name: String, isEnabled: Bool?, scale: Double?) throws -> StoredPatch {
        let place = try place(name)
        var changed = stored
        if let isEnabled {
            if isEnabled { _ = try changed[place].patch.get() }
            changed[place].row.isEnabled = isEnabled
        }
        if let scale { changed[place].row.scale = scale }
        try check(changed)
        try storage.database.write { [row = changed[place].row] in try row.update($0) }
        stored = changed
        return stored[place]
    }

    /// Removes a patch and its file.
    func remove(_ name: String) throws {
        let place = try place(name)
        let url = file(of: stored[place])
        _ = try storage.database.write { [row = stored[place].row] in try row.delete($0) }
        stored.remove(at: place)
        try? FileManager.default.removeItem(at: url)
    }

    /// The patches that a request asks for.
    func resolved(_ request: StackRequest) throws -> [AppliedPatch] {
        guard let parts = request.parts else { return enabled(stored) }
        return try parts.map { part in
            let found = try find(part.name)
            return AppliedPatch(try found.patch.get(), scale: part.scale ?? found.row.scale)
        }
    }

    /// What patches of the store are called.
    func names(of patches: [AppliedPatch]) -> [String] {
        patches.map { applied in stored.first { $0.row.id == applied.patch.id }?.name ?? applied.patch.shortID }
    }

    private func enabled(_ stored: [StoredPatch]) -> [AppliedPatch] {
        stored.filter(\.row.isEnabled).compactMap { one in
            (try? one.patch.get()).map { AppliedPatch($0, scale: one.row.scale) }
        }
    }

    /// Throws where patches that are enabled exclude one another.
    private func check(_ stored: [StoredPatch]) throws {
        _ = try PatchedCheckpoint(checkpoint).adding(enabled(stored))
    }

    private func place(_ name: String) throws -> Int {
        if let place = stored.firstIndex(where: { $0.name == name }) { return place }
        let digits = name.hasPrefix("sha256:") ? String(name.dropFirst(7)) : name
        let found = stored.indices.filter { digits.count >= 8 && stored[$0].row.id.dropFirst(7).hasPrefix(digits) }
        guard found.count == 1 else {
            throw ServerError(
                .notFound, "there is no such patch",
                expected: stored.isEmpty ? "a patch that was uploaded" : stored.map(\.name).joined(separator: ", "),
                found: "\"\(name.prefix(80))\"")
        }
        return found[0]
    }

    /// Throws ``ServerError`` for a name that cannot stand in a path or in the name of a model.
    static func check(name: String) throws {
        guard name.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]{0,63}/) != nil else {
            throw ServerError(
                .badRequest, "this cannot be the name of a patch", expected: "letters, digits, . _ and -, 64 at most",
                found: "\"\(name.prefix(80))\"")
        }
    }
}

extension Result where Failure == any Error {
    /// The same with the error as the server tells it.
    var telling: Result<Success, ServerError> { mapError(ServerError.init(telling:)) }
}
