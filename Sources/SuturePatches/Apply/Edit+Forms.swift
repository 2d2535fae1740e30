import Foundation
import SutureFormats

// Edits as methods propose them; what was there before is added when a patch is made of them.
extension Edit {
    init(tensor: String, scale: Double = 1, _ delta: any Delta) {
        self.init(tensor: tensor, scale: scale, delta: delta, original: nil)
    }

    /// Columns of a matrix `[out, in]`.
    ///
    /// - Parameters:
    ///   - indices: which ones, ascending.
    ///   - values: what is added, one column after the other: `[indices, out]`.
    ///   - tensor: the name of the tensor.
    public static func columns(_ indices: [Int], of tensor: String, adding values: [Float]) -> Edit {
        Edit(tensor: tensor, slices(indices, isColumns: true, values))
    }

    /// Rows of a matrix `[out, in]`; `values` is `[indices, in]`.
    public static func rows(_ indices: [Int], of tensor: String, adding values: [Float]) -> Edit {
        Edit(tensor: tensor, slices(indices, isColumns: false, values))
    }

    /// `scale` times the product B A of `b` `[out, rank]` and `a` `[rank, in]`.
    public static func lowRank(
        _ tensor: String, a: [Float], b: [Float], rank: Int, scale: Double = 1
    ) -> Edit {
        let width = max(rank, 1)
        return Edit(
            tensor: tensor, scale: scale,
            LowRankDelta(
                a: PayloadTensor(a, shape: [rank, a.count / width]), b: PayloadTensor(b, shape: [b.count / width, rank])
            ))
    }

    /// Some elements of a tensor of any shape, counted in row-major order.
    ///
    /// - Parameters:
    ///   - entries: which elements, and what is added to each.
    ///   - elementCount: how many elements the tensor has.
    ///   - tensor: the name of the tensor.
    public static func sparse(
        _ tensor: String, _ entries: [(index: Int, value: Float)], elementCount: Int
    ) -> Edit {
        Edit(tensor: tensor, SparseDelta(entries, elementCount: elementCount))
    }

    /// All elements of a tensor.
    public static func dense(_ tensor: String, _ values: [Float], shape: [Int]) -> Edit {
        Edit(tensor: tensor, DenseDelta(values: PayloadTensor(values, shape: shape)))
    }

    /// All elements of a tensor, in few bits each.
    ///
    /// - Throws: ``PatchError`` if the options or a value cannot be.
    public static func quantized(
        _ tensor: String, _ values: [Float], shape: [Int], _ options: QuantizationOptions
    ) throws -> Edit {
        Edit(tensor: tensor, try QuantizedDelta(values, shape: shape, options, subject: tensor))
    }

    private static func slices(_ indices: [Int], isColumns: Bool, _ values: [Float]) -> SliceDelta {
        let length = indices.isEmpty ? 0 : values.count / indices.count
        return SliceDelta(
            isColumns: isColumns, indices: indices, values: PayloadTensor(values, shape: [indices.count, length]))
    }
}

extension Patch {
    /// A patch of these changes.
    ///
    /// Originals and digests are read from the checkpoint. If that has patches already, they are those of its base, and
    /// the patches become the parents of the new one, which is added to their sum.
    ///
    /// - Parameters:
    ///   - changes: in any order; of one tensor there may be several, which add up.
    ///   - results: what the method measured.
    ///   - checkpoint: the model.
    ///   - method: how the patch was found.
    ///   - patches: what was applied on top of the checkpoint when the changes were found; they become parents, too.
    /// - Throws: ``PatchError`` for a tensor that is not there or cannot be patched, a change that does not fit it or is
    ///   not finite, and with `emptyPatch` if no weight would change.
    public init(
        _ changes: [Edit], of checkpoint: Checkpoint, method: Method, results: JSON = .null,
        on patches: [AppliedPatch] = []
    ) throws {
        let patched = try PatchedCheckpoint(checkpoint).adding(patches)
        let source = checkpoint.url.relativePath
        let groups = Dictionary(grouping: changes) { ByteString($0.tensor) }.sorted { $0.key < $1.key }
        var base = OrderedTable<BaseTensor>()
        var edits: [Edit] = []
        for (name, group) in groups {
            guard let tensor = checkpoint[name.string] ?? checkpoint.absentBias(name.string) else {
                throw PatchError(.wrongBase, "the model has no such tensor", subject: "\(source): \(name)")
            }
            guard tensor.type.isPatchable, !tensor.shape.contains(0) else {
                throw PatchError(
                    .unsupportedType, "this tensor cannot be patched", subject: "\(source): \(name)",
                    expected: "elements of F32, BF16 or F16", found: "\(tensor.type.rawValue) \(tensor.shape)")
            }
            let (found, made) = try patched.edits(group, of: tensor)
            base[name] = found
            edits += made
        }
        try self.init(
            base: base, edits: edits, method: method, results: results, tool: "suture",
            created: Date.now.ISO8601Format(), parents: patched.stack.patches.map(\.patch.id), source: source)
    }
}

extension PatchedCheckpoint {
    /// The edits that make these changes of one tensor, with what the tensor is in the base.
    fileprivate func edits(
        _ changes: [Edit], of tensor: Checkpoint.Tensor
    ) throws -> (base: BaseTensor, edits: [Edit]) {
        let form = BaseTensor(type: tensor.type, shape: tensor.shape, digest: Digest())
        for change in changes {
            try change.delta.check(against: form, subject: "\(checkpoint.url.relativePath): \(tensor.name)")
        }
        let width = tensor.type.width
        var originals = changes.map { change in
            change.delta.storesOriginal
                ? [UInt8](repeating: 0, count: change.delta.originalShape(for: tensor.shape).reduce(width, *)) : nil
        }
        let base = try readOriginal(of: tensor) { offset, bytes in
            let range = offset / width..<(offset + bytes.count) / width
            for (position, change) in changes.enumerated() where originals[position] != nil {
                try change.delta.forEachRun(in: range, shape: tensor.shape) { elements, place in
                    let start = (elements.lowerBound - range.lowerBound) * width
                    originals[position]?.replaceSubrange(
                        place * width..<(place + elements.count) * width,
                        with: bytes[start..<start + elements.count * width])
                }
            }
        }
        let edits = zip(changes, originals).map { change, original in
            Edit(
                tensor: tensor.name, scale: change.scale, delta: change.delta,
                original: original.map { PayloadTensor(tensor.type, change.delta.originalShape(for: tensor.shape), $0) }
            )
        }
        return (base, edits)
    }
}
