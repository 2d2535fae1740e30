import Foundation
import SutureFormats

/// A change of one column or row of a matrix, as a method proposes it.
public struct NeuronChange: Sendable {
    /// Where the write vectors of neurons are in a matrix.
    public enum Slice: Sendable, CaseIterable {
        /// In a projection stored `[out, in]`, as in Llama.
        case columns
        /// In a projection stored `[in, out]`, as in GPT-2.
        case rows
    }

    /// The name of the matrix, as the checkpoint has it.
    public let tensor: String
    public let kind: Slice
    public let index: Int
    /// What is added to the write vector, `[out]`.
    public let delta: [Float]

    /// What is added to one column or row of a tensor.
    public init(tensor: String, kind: Slice, index: Int, delta: [Float]) {
        self.tensor = tensor
        self.kind = kind
        self.index = index
        self.delta = delta
    }
}

extension Patch {
    /// A patch that changes the write vectors of neurons; see ``init(_:of:method:results:on:)``.
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
        let source = checkpoint.url.relativePath
        let groups = Dictionary(grouping: changes) { ByteString($0.tensor) }
        let made = try groups.map { name, group in
            guard let tensor = checkpoint[name.string] else {
                throw PatchError(.wrongBase, "the model has no such tensor", subject: "\(source): \(name)")
            }
            let group = try ordered(group, in: tensor, source: source)
            let values = group.flatMap(\.delta)
            return group[0].kind == .columns
                ? Edit.columns(group.map(\.index), of: name.string, adding: values)
                : Edit.rows(group.map(\.index), of: name.string, adding: values)
        }
        return try Patch(made, of: checkpoint, method: method, results: results)
    }

    /// The changes of one matrix by index, after the checks that need them one by one.
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
        let (length, count) = kind == .columns ? (tensor.shape[0], tensor.shape[1]) : (tensor.shape[1], tensor.shape[0])
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
