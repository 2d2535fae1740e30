import Foundation
import SutureFormats

/// `suture.lock.json`: which patches a snapshot has, with their files beside it in `suture/`.
enum PatchLock {
    static let fileName = "suture.lock.json"
    private static let schema = "suture.lock/1"

    /// The files of a stack in a snapshot, by relative path.
    static func files(of stack: PatchStack) -> Set<String> {
        if stack.patches.isEmpty { return [] }
        return Set(stack.patches.map { file(of: $0.patch) } + stack.keptOriginals.map(KeptOriginal.path) + [fileName])
    }

    private static func file(of patch: Patch) -> String { "suture/\(patch.shortID).safetensors" }

    /// The stack of a snapshot directory, empty where there is no lock.
    static func read(in directory: URL) throws -> PatchStack {
        let url = directory.appending(path: fileName)
        guard FileManager.default.fileExists(atPath: url.path) else { return try PatchStack() }
        let lock = JSONField(try JSON.parse(contentsOf: url), source: url.relativePath)
        let found = try lock.require("schema").string
        guard found == schema || found.hasPrefix(schema + ".") else {
            throw PatchError(
                .unsupportedSchema, "locks of this version cannot be read", subject: url.relativePath,
                expected: schema, found: "\"\(found.prefix(80))\"", hint: "a newer version of suture may read it")
        }
        let stack = try PatchStack(lock.require("patches").array.map { try applied($0, in: directory) })
        let base = try BaseTensor.table(lock.require("base"))
        guard !stack.patches.isEmpty, stack.base == base else {
            throw PatchError(
                .malformedLock, "the lock does not agree with the patches it names", subject: url.relativePath,
                expected: "\(stack.base.count) tensors as in the patches", found: "\(base.count)",
                hint: "start again from the unpatched model")
        }
        return stack
    }

    private static func applied(_ field: JSONField, in directory: URL) throws -> AppliedPatch {
        let id = try field.require("id").digest
        let path = try field.require("file")
        // The name follows from the id, so that a lock cannot point out of its directory.
        let expected = "suture/\(id.dropFirst(BaseTensor.digestPrefix.count).prefix(16)).safetensors"
        guard try path.string == expected else {
            throw PatchError(
                .malformedLock, "wrong name of a patch file", subject: path.path, expected: expected,
                found: try path.string)
        }
        let patch = try Patch(contentsOf: directory.appending(path: expected))
        guard patch.id == id else {
            throw PatchError(
                .malformedLock, "this is another patch than the lock says", subject: "\(path.path): \(expected)",
                expected: id, found: patch.id)
        }
        return AppliedPatch(patch, scale: try field.require("scale").double)
    }

    /// Writes the lock and the patch files; nothing for an empty stack.
    static func write(_ stack: PatchStack, to directory: URL) throws {
        if stack.patches.isEmpty { return }
        try FileManager.default.makeDirectory(directory.appending(path: "suture"))
        for applied in stack.patches {
            try applied.patch.write(to: directory.appending(path: file(of: applied.patch)))
        }
        let patches = stack.patches.map { applied -> JSON in
            [
                "id": JSON(applied.patch.id), "scale": JSON(applied.scale), "file": JSON(file(of: applied.patch))
            ]
        }
        let lock: JSON = [
            "schema": JSON(schema), "base": BaseTensor.json(stack.base), "patches": .array(patches)
        ]
        try AtomicFile.write(lock.serialized(pretty: true), to: directory.appending(path: fileName))
    }
}
