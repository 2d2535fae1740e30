import Foundation
import SutureFormats

/// A checkpoint and the patches that it has or is to have.
///
/// ```swift
/// let patched = try PatchedCheckpoint(Checkpoint(url)).adding([AppliedPatch(patch)])
/// let model = try LanguageModel.load(patched.checkpoint, replacing: patched.data)  // on load
/// try patched.write(to: directory)                                                // or to files
/// ```
///
/// Weights are always built from the originals, which the patches keep: never is one change taken from another's result.
public struct PatchedCheckpoint: Sendable {
    public let checkpoint: Checkpoint
    /// The patches that are in the checkpoint's weights, by its `suture.lock.json`.
    public let present: PatchStack
    /// The patches that are wanted.
    public let stack: PatchStack
    /// The tensors that either changes, by name, as they are in the base.
    public let touched: OrderedTable<BaseTensor>

    /// The checkpoint with the patches it has.
    ///
    /// - Throws: ``PatchError`` or `FormatError` for a lock or a patch file in the snapshot that cannot be trusted.
    public init(_ checkpoint: Checkpoint) throws {
        let present = try checkpoint.snapshot.map { try PatchLock.read(in: $0.url) } ?? PatchStack()
        try self.init(checkpoint, present: present, stack: present)
    }

    private init(_ checkpoint: Checkpoint, present: PatchStack, stack: PatchStack) throws {
        self.checkpoint = checkpoint
        self.present = present
        self.stack = stack
        var touched = present.base
        for (name, base) in stack.base { touched[name] = base }
        self.touched = touched
        let differences = touched.compactMap { name, base in
            base.difference(to: checkpoint[name.string], named: name.string)
        }
        guard differences.isEmpty else { throw wrongBase(differences) }
    }

    /// The checkpoint with further patches on top.
    ///
    /// - Throws: ``PatchError`` if the checkpoint has one of them already, or lacks a tensor of the right type and shape.
    public func adding(_ patches: [AppliedPatch]) throws -> PatchedCheckpoint {
        try PatchedCheckpoint(checkpoint, present: present, stack: stack.adding(patches))
    }

    /// The checkpoint without one of its patches.
    ///
    /// - Parameter id: the patch's id, or the beginning of it, also without `sha256:`.
    /// - Throws: ``PatchError`` if there is no such patch, or several.
    public func removing(_ id: String) throws -> PatchedCheckpoint {
        try PatchedCheckpoint(checkpoint, present: present, stack: stack.removing(id))
    }

    /// The names of the weight files that ``write(to:overwriting:)`` changes, and the bytes of each.
    public var touchedFiles: [(name: String, bytes: Int)] {
        (checkpoint.snapshot?.files ?? []).compactMap { file in
            guard file.tensors.contains(where: { touched.position(of: ByteString($0.name)) != nil }) else { return nil }
            return (URL(filePath: file.file.name).lastPathComponent, file.file.bytes.count)
        }
    }

    /// Reads all touched tensors and holds them against what the patches know of the base.
    ///
    /// - Throws: ``PatchError`` with `wrongBase` or `drifted` that lists every tensor that differs.
    public func check() throws {
        var differences: [BaseDifference] = []
        for name in touched.keys {
            guard let tensor = checkpoint[name.string] else { continue }
            do {
                _ = try data(for: tensor, current: checkpoint.data(of: tensor))
            } catch let error as PatchError where !error.differences.isEmpty {
                differences += error.differences
            }
        }
        if !differences.isEmpty { throw wrongBase(differences) }
    }

    /// The patched elements of a tensor, or nil if no patch changes it: made for `LanguageModel.load(_:replacing:)`.
    ///
    /// - Parameters:
    ///   - tensor: one of the checkpoint's.
    ///   - current: its elements as the checkpoint has them.
    /// - Throws: ``PatchError`` if the tensor is not the one that the patches were made for.
    public func data(for tensor: Checkpoint.Tensor, current: TensorData) throws -> TensorData? {
        guard let base = touched[ByteString(tensor.name)] else { return nil }
        let original = try self.original(of: tensor, base: base, current: current)
        for applied in stack.patches { try check(applied.patch, tensor, original) }
        guard let sum = stack.sum(for: tensor.name) else { return original }
        return try original.changed { try sum.add(to: $0) }
    }

    /// The elements of a tensor without the patches that the checkpoint has.
    func original(of tensor: Checkpoint.Tensor) throws -> TensorData {
        let current = try checkpoint.data(of: tensor)
        guard let base = present.base[ByteString(tensor.name)] else { return current }
        return try original(of: tensor, base: base, current: current)
    }

    private func original(
        of tensor: Checkpoint.Tensor, base: BaseTensor, current: TensorData
    ) throws -> TensorData {
        var original = current
        let sum = present.sum(for: tensor.name)
        if let sum {
            original = current.changed { bytes in
                for term in sum.terms { term.edit.restore(in: bytes, type: tensor.type, shape: tensor.shape) }
            }
        }
        let found = BaseTensor(type: tensor.type, shape: tensor.shape, bytes: original.bytes)
        if let difference = base.difference(to: found, named: tensor.name) { throw wrongBase([difference]) }
        // What was changed by other means within the patched slices would be lost without a word.
        if let sum, try !original.changed({ try sum.add(to: $0) }).hasSameBytes(as: current) {
            throw wrongBase([
                BaseDifference(
                    tensor: tensor.name, expected: "the base with its patches", found: "other values in patched places")
            ])
        }
        return original
    }

    private func check(_ patch: Patch, _ tensor: Checkpoint.Tensor, _ original: TensorData) throws {
        guard let edit = patch.edit(of: tensor.name) else { return }
        let slices = Edit.slices(
            edit.kind, edit.indices, of: original.bytes, type: tensor.type, shape: tensor.shape)
        guard slices == edit.original else {
            throw PatchError(
                .badPayload, "the originals in the patch are not those of its base", subject: tensor.name,
                found: patch.id, hint: "do not trust this patch")
        }
    }

    private func wrongBase(_ differences: [BaseDifference]) -> PatchError {
        let isDrift = differences.allSatisfy { present.base[ByteString($0.tensor)] != nil }
        return .wrongBase(
            differences, of: checkpoint.url.relativePath, code: isDrift ? .drifted : .wrongBase,
            hint: isDrift ? "start again from the unpatched model" : "apply it to the model it was made for")
    }
}

extension TensorData {
    /// A copy that `change` was run on.
    fileprivate func changed(_ change: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows -> TensorData {
        try TensorData(byteCount: bytes.count) { copy in
            copy.copyMemory(from: bytes)
            try change(copy)
        }
    }

    fileprivate func hasSameBytes(as other: TensorData) -> Bool {
        withExtendedLifetime((self, other)) {
            guard bytes.count == other.bytes.count, let a = bytes.baseAddress, let b = other.bytes.baseAddress else {
                return bytes.count == other.bytes.count
            }
            return memcmp(a, b, bytes.count) == 0
        }
    }
}
