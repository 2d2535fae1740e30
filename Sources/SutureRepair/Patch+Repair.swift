import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

extension Repair.Result {
    /// The change as a patch of the checkpoint that was repaired, with the report as its evidence.
    ///
    /// - Parameters:
    ///   - checkpoint: the files of the model.
    ///   - architecture: the model's.
    ///   - patches: what the model had on top of the checkpoint when it was repaired.
    /// - Throws: `PatchError` with code `emptyPatch` if nothing was fixed.
    public func patch(
        of checkpoint: Checkpoint, _ architecture: Architecture, on patches: [AppliedPatch] = []
    ) throws -> Patch {
        try patch(change, of: checkpoint, architecture, patches, results: JSON(encoding: report))
    }

    /// One patch for each step, each with what became of the failures that it fixes: any can be taken off alone.
    public func patches(
        of checkpoint: Checkpoint, _ architecture: Architecture, on patches: [AppliedPatch] = []
    ) throws -> [Patch] {
        try steps.map { step in
            let results: JSON = ["failures": try JSON(encoding: step.failures.map { report.failures[$0] })]
            return try patch(step.change, of: checkpoint, architecture, patches, results: results)
        }
    }

    private func patch(
        _ change: WeightChange, of checkpoint: Checkpoint, _ architecture: Architecture, _ patches: [AppliedPatch],
        results: JSON
    ) throws -> Patch {
        let options = JSON.object(
            report.options.sorted { $0.key < $1.key }.reduce(into: JSONObject()) {
                $0[ByteString($1.key)] = JSON($1.value)
            })
        return try Patch(
            change.edits(architecture), of: checkpoint, method: .init(name: report.method, options: options),
            results: results, on: patches)
    }
}

extension WeightChange {
    /// What is added to which tensors of a checkpoint: neurons as columns or rows, matrices as they are written down.
    public func edits(_ architecture: Architecture) throws -> [Edit] {
        struct Place: Hashable {
            let tensor: String
            let isColumn: Bool
        }
        let slices = try neurons.flatMap { try architecture.changes(of: $0) }
        var changes = try Dictionary(grouping: slices) { Place(tensor: $0.tensor, isColumn: $0.isColumn) }.map {
            place, slices in
            let slices = slices.sorted { $0.index < $1.index }
            let (indices, values) = (slices.map(\.index), try slices.flatMap { try $0.delta.floats() })
            return place.isColumn
                ? Edit.columns(indices, of: place.tensor, adding: values)
                : Edit.rows(indices, of: place.tensor, adding: values)
        }
        for delta in matrices {
            let (tensor, isColumn) = architecture.writeVectors(layer: delta.layer)
            // A projection stored `[in, out]` changes by the transpose.
            func stored(_ matrix: Tensor) throws -> [Float] { try (isColumn ? matrix : matrix.transposed()).floats() }
            switch delta.form {
            case .lowRank(let write, let read):
                let (a, b) = isColumn ? (read, write) : (write, read)
                changes.append(.lowRank(tensor, a: try stored(a), b: try stored(b), rank: read.shape[0]))
            case .dense(let matrix):
                let shape = isColumn ? matrix.shape : matrix.shape.reversed()
                changes.append(.dense(tensor, try stored(matrix), shape: shape))
            }
        }
        return changes
    }
}

extension Patch {
    /// The failures that the patch's own report calls fixed; empty where it carries none.
    public var repaired: [Failure] {
        (results["failures"]?.arrayValue ?? []).compactMap { failure in
            guard failure["status"]?.stringValue == RepairReport.Status.fixed.rawValue,
                let prompt = failure["prompt"]?.stringValue, let expected = failure["expected"]?.stringValue
            else { return nil }
            return Failure(prompt: prompt, expected: expected)
        }
    }
}

extension Patch {
    /// The failures that the patch repaired.
    ///
    /// Throws ``RepairError`` with code `badRequest`, naming `file`, where its report calls none fixed.
    public func requireRepaired(file: String) throws -> [Failure] {
        guard !repaired.isEmpty else {
            throw RepairError(
                .badRequest, "this patch does not say what it repaired", subject: file,
                expected: "a patch of suture repair, with its report")
        }
        return repaired
    }
}

extension PatchStack {
    /// The failures that these patches say they fixed, each once.
    public var repaired: [Failure] {
        var known: Set<Failure> = []
        return patches.flatMap(\.patch.repaired).filter { known.insert($0).inserted }
    }

    /// The neurons whose write vectors these patches change.
    public func neurons(of architecture: Architecture) -> Set<Neuron> {
        var neurons: Set<Neuron> = []
        for layer in 0..<architecture.layers {
            let (tensor, isColumn) = architecture.writeVectors(layer: layer)
            for edit in patches.flatMap(\.patch.edits)
            where edit.tensor == tensor && (edit.kind == .columns) == isColumn {
                neurons.formUnion((edit.indices ?? []).map { Neuron(layer: layer, index: $0) })
            }
        }
        return neurons
    }
}
