import Foundation
import SutureFormats

/// What happens to the weight files of a snapshot that no patch touches.
public enum UntouchedFiles: String, Sendable, CaseIterable {
    /// They get a second name: nothing is written, but who changes one in place changes both.
    case linked
    /// They are copied.
    case copied
}

extension PatchedCheckpoint {
    /// Writes the patched model as a new snapshot directory, whole or not at all.
    ///
    /// Weight files that hold touched tensors are written anew, with the same header; the others are linked or copied,
    /// and all other files are copied. The stack is recorded in `suture.lock.json` and `suture/`; with an empty one the
    /// result is the base, byte for byte. One piece of a tensor for each core is in memory at a time.
    ///
    /// A GGUF file becomes a file: the blocks that the patches touch are written anew, each in its tensor's own type, and the
    /// stack and the blocks that were there before are recorded behind its end. One tensor for each core is then in memory.
    ///
    /// - Parameters:
    ///   - url: the place of the directory.
    ///   - overwriting: whether another snapshot directory there is replaced.
    ///   - untouched: what becomes of weight files that nothing touches.
    /// - Returns: how much of the change the blocks of a GGUF file could not hold; nil for a snapshot.
    /// - Throws: ``PatchError`` if the checkpoint is not the one that the patches were made for, or is neither a snapshot nor
    ///   a GGUF file of one part; `FormatError` if there is something already or the system fails. Nothing is left behind.
    @discardableResult
    public func write(
        to url: URL, overwriting: Bool = false, untouched: UntouchedFiles = .linked
    ) throws -> GGUFRounding? {
        try refuseAdded()
        if let gguf = checkpoint.gguf { return try writeFile(to: url, gguf, overwriting: overwriting) }
        let snapshot = try checkpoint.requireSnapshot()
        try plan(untouched).checkSpace(beside: url)
        try SnapshotDirectory.create(at: url, from: checkpoint.url, overwriting: overwriting) { directory in
            let outcomes = try FileCopy.write(
                rewritings(), to: directory, meanwhile: { try PatchLock.write(stack, to: directory) }
            ) { change, start, output in try change.run(to: output, at: start, keepingIn: directory) }
            try refuse(outcomes)
            let rest = untouchedFiles.map(Self.name)
            switch untouched {
            case .linked: try snapshot.link(rest, to: directory)
            case .copied: try snapshot.copy(rest, to: directory)
            }
            let ours = PatchLock.files(of: present)
            let index = snapshot.indexFile.map { [$0] } ?? []
            try snapshot.copy(index + snapshot.otherFiles.filter { !ours.contains($0) }, to: directory)
            try snapshot.link(sharedOriginals.map(KeptOriginal.path), to: directory)
        }
        return nil
    }

    /// What ``write(to:overwriting:untouched:)`` will do, and the bytes that it will write.
    public func plan(_ untouched: UntouchedFiles = .linked) throws -> WritePlan {
        try refuseAdded()
        if let gguf = checkpoint.gguf { return try filePlan(gguf) }
        let snapshot = try checkpoint.requireSnapshot()
        let ours = PatchLock.files(of: present)
        let copied = snapshot.otherFiles.filter { !ours.contains($0) } + (snapshot.indexFile.map { [$0] } ?? [])
        let rest = untouchedFiles.map { WritePlan.File($0) }
        return try WritePlan(
            rewritten: touchedFiles.map { WritePlan.File($0) }, untouched: rest, untouchedAre: untouched,
            copied: copied.map { path in
                let values = try snapshot.url.appending(path: path).resolvingSymlinksInPath().resourceValues(forKeys: [
                    .fileSizeKey
                ])
                return WritePlan.File(name: path, bytes: values.fileSize ?? 0)
            },
            originals: stack.keptOriginals.filter { !present.keptOriginals.contains($0) }.map {
                WritePlan.File(name: KeptOriginal.path(of: $0), bytes: $0.type.byteCount(shape: $0.shape) ?? 0)
            },
            patches: stack.patches.map { WritePlan.File($0.patch) })
    }

    private static func name(_ file: SafetensorsFile) -> String { URL(filePath: file.file.name).lastPathComponent }

    /// The weight files that hold tensors which the patches change.
    private var touchedFiles: [SafetensorsFile] {
        (checkpoint.snapshot?.files ?? []).filter { file in
            file.tensors.contains { touched.position(of: ByteString($0.name)) != nil }
        }
    }

    private var untouchedFiles: [SafetensorsFile] {
        (checkpoint.snapshot?.files ?? []).filter { file in
            !file.tensors.contains { touched.position(of: ByteString($0.name)) != nil }
        }
    }

    /// The originals that the checkpoint keeps already and its successor needs too.
    private var sharedOriginals: [BaseTensor] { stack.keptOriginals.filter(present.keptOriginals.contains) }

    /// The touched files with what is to be done to their tensors; of equal originals one is kept.
    private func rewritings() throws -> [FileCopy<Rewriting>] {
        var kept = Set(sharedOriginals.map(\.digest))
        return try touchedFiles.map { file in
            let changes = try file.tensors.compactMap { entry -> (SafetensorsFile.Tensor, Rewriting)? in
                guard touched.position(of: ByteString(entry.name)) != nil, let tensor = checkpoint[entry.name] else {
                    return nil
                }
                let pass = try pass(over: tensor)
                let keepsOriginal = pass.wanted?.needsOriginal == true && kept.insert(pass.base.digest).inserted
                return (entry, Rewriting(pass: pass, keepsOriginal: keepsOriginal))
            }
            return FileCopy(file: file, changes: changes)
        }
    }

    private func refuse(_ outcomes: [TensorPass.Outcome]) throws {
        // The whole truth in one error: which other tensors differ too.
        if outcomes.contains(where: { $0.difference != nil }) { try check() }
        try refuse(outcomes.compactMap(\.difference))
        try refuseEmpty(outcomes)
    }

    /// A patch that leaves every weight as it is was made for something else, or is too small for the type.
    private func refuseEmpty(_ outcomes: [TensorPass.Outcome]) throws {
        guard stack.patches.count == 1, stack.patches[0].scale != 0,
            outcomes.allSatisfy({ $0.changed == 0 })
        else { return }
        throw Self.empty(stack)
    }

    static func empty(_ stack: PatchStack) -> PatchError {
        PatchError(
            .emptyPatch, "the patch changes nothing", subject: stack.patches.first?.patch.id,
            found: "no weight differs after rounding to its type")
    }
}

extension Checkpoint {
    /// The snapshot directory that it is.
    func requireSnapshot() throws -> SnapshotDirectory {
        if let snapshot { return snapshot }
        throw PatchError(
            .needsSnapshot, "this is done in a snapshot directory only", subject: url.relativePath,
            found: gguf == nil ? "weights of eight bits, which are not made again" : "a GGUF file",
            hint: "convert it first with `suture convert`, or apply the patch on load")
    }
}

/// A tensor that is read, patched and written in one go.
private struct Rewriting: Sendable {
    let pass: TensorPass
    /// Whether the original is written too, to a file of its own.
    let keepsOriginal: Bool

    func run(to output: AtomicFile, at start: Int, keepingIn directory: URL) throws -> TensorPass.Outcome {
        let put: (Int, UnsafeRawBufferPointer) throws -> Void = { try output.put($1, at: start + $0) }
        guard keepsOriginal else { return try pass.run(new: put) }
        var outcome = TensorPass.Outcome()
        try KeptOriginal.write(pass.base, to: directory) { append in
            outcome = try pass.run(original: { try append($1) }, new: put)
        }
        return outcome
    }
}
