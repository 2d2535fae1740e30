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
    /// A stored head that is the embeddings once more, if these are changed and it is not: it is changed with them.
    private let copy: (head: String, embeddings: String)?
    /// What a patched GGUF file carries.
    let record: GGUFRecord?

    /// The checkpoint with the patches it has.
    ///
    /// - Throws: ``PatchError`` or `FormatError` for a lock or a patch file in the snapshot that cannot be trusted.
    public init(_ checkpoint: Checkpoint) throws {
        let record = try GGUFRecord(of: checkpoint)
        let present = try record?.stack ?? checkpoint.snapshot.map { try PatchLock.read(in: $0.url) } ?? PatchStack()
        try self.init(checkpoint, present: present, stack: present, record)
    }

    /// A checkpoint without patches, and those that are wanted.
    init(_ unpatched: Checkpoint, stack: PatchStack) throws {
        try self.init(unpatched, present: PatchStack(), stack: stack, nil)
    }

    private init(
        _ checkpoint: Checkpoint, present: PatchStack, stack: PatchStack, _ record: GGUFRecord?
    ) throws {
        self.checkpoint = checkpoint
        self.record = record
        self.present = present
        self.stack = stack
        var touched = present.base
        for (name, base) in stack.base { touched[name] = base }
        let changesEmbeddings = touched.contains { Checkpoint.isEmbedding($0.key.string) }
        var copy = changesEmbeddings ? try checkpoint.copiedHead() : nil
        if let (head, embeddings) = copy {
            if touched[ByteString(head)] != nil { copy = nil }
            if copy != nil, let base = touched[ByteString(embeddings)] { touched[ByteString(head)] = base }
        }
        self.copy = copy
        self.touched = touched
        let differences = touched.compactMap { name, base in
            base.difference(to: checkpoint[name.string], named: name.string)
        }
        guard differences.isEmpty else { throw wrongBase(differences) }
        try checkAbsent()
    }

    /// The checkpoint with further patches on top.
    ///
    /// - Parameters:
    ///   - patches: the patches, in their order.
    ///   - allowingConflicts: whether patches that exclude one another (``NeuronConflict``) are taken all the same.
    /// - Throws: ``PatchError`` if the checkpoint has one of them already, or lacks a tensor of the right type and shape, or
    ///   with `conflict` if patches exclude one another.
    public func adding(_ patches: [AppliedPatch], allowingConflicts: Bool = false) throws -> PatchedCheckpoint {
        let sum = try stack.adding(patches)
        if !allowingConflicts { try sum.refuseConflicts(besides: stack) }
        return try PatchedCheckpoint(checkpoint, present: present, stack: sum, record)
    }

    /// The checkpoint with other patches than it has.
    init(_ checkpoint: Checkpoint, wanting stack: PatchStack) throws {
        let now = try PatchedCheckpoint(checkpoint)
        try self.init(checkpoint, present: now.present, stack: stack, now.record)
    }

    /// The checkpoint without one of its patches.
    ///
    /// - Parameter id: the patch's id, or the beginning of it, also without `sha256:`.
    /// - Throws: ``PatchError`` if there is no such patch, or several.
    public func removing(_ id: String) throws -> PatchedCheckpoint {
        try PatchedCheckpoint(checkpoint, present: present, stack: stack.removing(id), record)
    }

    /// Reads all touched tensors, and no others, and holds them against what the patches know of the base.
    ///
    /// - Throws: ``PatchError`` with `wrongBase` or `drifted` that lists every tensor that differs.
    public func check() throws {
        if record != nil, let gguf = checkpoint.gguf {
            try checkPresentBlocks(gguf)
            return try PatchedCheckpoint(original, stack: stack).check()
        }
        let tensors = touched.keys.compactMap { checkpoint[$0.string] }
        let outcomes = try Parallel.map(tensors) { try pass(over: $0).run() }
        try refuse(outcomes.compactMap(\.difference))
    }

    /// The patched elements of a tensor, or nil if no patch changes it: made for `ImageClassifier.load(_:replacing:)`.
    ///
    /// - Parameters:
    ///   - tensor: one of the checkpoint's.
    ///   - current: its elements as the checkpoint has them.
    /// - Throws: ``PatchError`` if the tensor is not the one that the patches were made for.
    public func data(for tensor: Checkpoint.Tensor, current: TensorData) throws -> TensorData? {
        try data(for: tensor) { current }
    }

    /// The same, made for `LanguageModel.load(_:replacing:)`: `current` reads the elements, and is called where a patch
    /// changes them.
    public func data(for tensor: Checkpoint.Tensor, current: () throws -> TensorData) throws -> TensorData? {
        guard let base = touched[ByteString(tensor.name)] else { return nil }
        if record != nil, !base.isAbsent {
            // What the file has is what its own patches made of it, rounded to its type.
            if stack.patches(of: tensor.name) == present.patches(of: tensor.name) { return nil }
            return try PatchedCheckpoint(original, stack: stack).data(for: tensor) { try original.data(of: tensor) }
                ?? original.data(of: tensor)
        }
        let current = try current()
        var difference: BaseDifference?
        let data = try TensorData(byteCount: current.bytes.count) { data in
            difference = try pass(over: tensor, current: TensorBytes(current)).run(new: { offset, bytes in
                UnsafeMutableRawBufferPointer(rebasing: data[offset..<offset + bytes.count]).copyMemory(from: bytes)
            }).difference
        }
        try refuse(difference.map { [$0] } ?? [])
        // Without it the model computes as it always did, to the bit.
        return base.isAbsent && data.bytes.allSatisfy { $0 == 0 } ? nil : data
    }

    /// The elements of a tensor with the patches that are wanted, as float32; its type must be F32, BF16 or F16.
    ///
    /// - Throws: ``PatchError`` if the tensor is not the one that the patches were made for.
    public func floats(of tensor: Checkpoint.Tensor) throws -> [Float] {
        let current = try checkpoint.data(of: tensor)
        let data = try self.data(for: tensor, current: current) ?? current
        return withExtendedLifetime(data) { tensor.type.floats(data.bytes) }
    }

    /// Hands over the elements of a tensor without the patches that the checkpoint has, and says what it is so.
    func readOriginal(
        of tensor: Checkpoint.Tensor, _ body: (Int, UnsafeRawBufferPointer) throws -> Void
    ) throws -> BaseTensor {
        if checkpoint[tensor.name] == nil {
            try BaseTensor.zeros(tensor.shape).withUnsafeBytes { try body(0, $0) }
            return BaseTensor(absent: tensor.shape)
        }
        if record == nil, touched.position(of: ByteString(tensor.name)) != nil {
            let pass = try pass(over: tensor)
            try refuse(pass.run(original: body).difference.map { [$0] } ?? [])
            return pass.base
        }
        var digest = Digest(labeled: tensor.type, tensor.shape)
        var offset = 0
        try original.pieces(of: tensor).forEachChunk { bytes in
            digest.update(bytes)
            try body(offset, bytes)
            offset += bytes.count
        }
        return BaseTensor(type: tensor.type, shape: tensor.shape, digest: digest)
    }

    /// A pass over one of the touched tensors.
    func pass(over tensor: Checkpoint.Tensor, current: TensorBytes? = nil) throws -> TensorPass {
        let name = ByteString(tensor.name)
        guard let base = touched[name] else { preconditionFailure("no patch changes \(name)") }
        let source = tensor.name == copy?.head ? copy?.embeddings ?? tensor.name : tensor.name
        let present = present.sum(for: source)
        return TensorPass(
            name: tensor.name, base: base, current: try current ?? checkpoint.pieces(of: tensor),
            kept: present?.needsOriginal == true
                ? try checkpoint.snapshot.map { try KeptOriginal.read(base, in: $0.url) } : nil,
            present: present, wanted: stack.sum(for: source))
    }

    /// Throws an error that lists these, if there are any.
    func refuse(_ differences: [BaseDifference]) throws {
        if !differences.isEmpty { throw wrongBase(differences) }
    }

    private func wrongBase(_ differences: [BaseDifference]) -> PatchError {
        let isDrift = differences.allSatisfy { present.base[ByteString($0.tensor)] != nil }
        let isOtherType = differences.allSatisfy(\.isOfType)
        return .wrongBase(
            differences, of: checkpoint.url.relativePath, code: isDrift ? .drifted : .wrongBase,
            hint: isDrift
                ? "start again from the unpatched model"
                : isOtherType
                    ? "for a copy in another type, suture apply --transfer rounds the change to it, and suture repair --failures "
                        + "PATCH repairs it anew"
                    : "apply it to the model it was made for")
    }
}
