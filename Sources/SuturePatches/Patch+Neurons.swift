import Foundation
import SutureFormats

/// A change of one column or row of a matrix, as a method proposes it.
public struct NeuronChange: Sendable {
    /// The name of the matrix, as the checkpoint has it.
    public let tensor: String
    /// `columns` for a projection stored `[out, in]`, as in Llama; `rows` for one stored `[in, out]`, as in GPT-2.
    public let kind: Edit.Kind
    public let index: Int
    /// What is added to the write vector, `[out]`.
    public let delta: [Float]

    public init(tensor: String, kind: Edit.Kind, index: Int, delta: [Float]) {
        self.tensor = tensor
        self.kind = kind
        self.index = index
        self.delta = delta
    }
}

extension Patch {
    /// A patch that changes the write vectors of neurons.
    ///
    /// Originals and digests are read from the checkpoint. If that has patches already, they are those of its base, and
    /// the patches become the parents of the new one, which is added to their sum.
    ///
    /// - Parameters:
    ///   - changes: each neuron once; in one matrix all by columns or all by rows.
    ///   - checkpoint: the model they are made for.
    ///   - method: how they were found.
    ///   - results: what the method measured.
    /// - Throws: ``PatchError`` for a tensor or an index that is not there, a delta of the wrong length or not finite, a
    ///   neuron that is there twice, and with `emptyPatch` if no weight would change.
    public static func neurons(
        _ changes: [NeuronChange], of checkpoint: Checkpoint, method: Method, results: JSON = .null
    ) throws -> Patch {
        let patched = try PatchedCheckpoint(checkpoint)
        let source = checkpoint.url.relativePath
        var base = OrderedTable<BaseTensor>()
        var edits: [Edit] = []
        let groups = Dictionary(grouping: changes) { ByteString($0.tensor) }.sorted { $0.key < $1.key }
        for (name, group) in groups {
            guard let tensor = checkpoint[name.string] else {
                throw PatchError(.wrongBase, "the model has no such tensor", subject: "\(source): \(name)")
            }
            let group = try ordered(group, in: tensor, source: source)
            let data = try patched.original(of: tensor)
            let indices = group.map(\.index)
            edits.append(
                Edit(
                    tensor: tensor.name, kind: group[0].kind, indices: indices, delta: group.flatMap(\.delta),
                    original: Edit.slices(
                        group[0].kind, indices, of: data.bytes, type: tensor.type, shape: tensor.shape)))
            base[name] = BaseTensor(type: tensor.type, shape: tensor.shape, bytes: data.bytes)
        }
        return try Patch(
            base: base, edits: edits, method: method, results: results, tool: "suture",
            created: Date.now.ISO8601Format(), parents: patched.present.patches.map(\.patch.id), source: source)
    }

    /// The changes of one matrix by index, after the checks that must come before its slices are read.
    private static func ordered(
        _ changes: [NeuronChange], in tensor: Checkpoint.Tensor, source: String
    ) throws -> [NeuronChange] {
        let subject = "\(source): \(tensor.name)"
        let kind = changes[0].kind
        guard tensor.shape.count == 2, tensor.type.isPatchable else {
            throw PatchError(
                .unsupportedType, "this tensor has no neurons", subject: subject,
                expected: "a matrix of F32, BF16 or F16", found: "\(tensor.type.rawValue) \(tensor.shape)")
        }
        let count = Edit.count(kind, shape: tensor.shape)
        let length = Edit.length(kind, shape: tensor.shape)
        for change in changes {
            guard change.kind == kind else {
                throw PatchError(.conflict, "a matrix is patched by columns or by rows, not both", subject: subject)
            }
            guard (0..<count).contains(change.index), change.delta.count == length else {
                throw PatchError(
                    .badPayload, "this neuron does not fit the matrix", subject: subject,
                    expected: "\(count) neurons of \(length)",
                    found: "neuron \(change.index) of \(change.delta.count)")
            }
        }
        let ordered = changes.sorted { $0.index < $1.index }
        for (a, b) in zip(ordered, ordered.dropFirst()) where a.index == b.index {
            throw PatchError(
                .conflict, "a neuron is changed twice", subject: subject, found: "neuron \(a.index)")
        }
        return ordered
    }
}
