import Foundation
import SutureFormats
import SutureModels
import SuturePatches

extension Repair.Result {
    /// The edits as a patch of the checkpoint that was repaired, with the report as its evidence.
    ///
    /// Throws `PatchError` with code `emptyPatch` if nothing was fixed.
    public func patch(of checkpoint: Checkpoint, _ architecture: Architecture) throws -> Patch {
        let changes = try edits.flatMap { try architecture.changes(of: $0) }.map { change in
            NeuronChange(
                tensor: change.tensor, kind: change.isColumn ? .columns : .rows, index: change.index,
                delta: try change.delta.floats())
        }
        let options = JSON.object(
            report.options.sorted { $0.key < $1.key }.reduce(into: JSONObject()) {
                $0[ByteString($1.key)] = JSON($1.value)
            })
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = .sortedKeys
        return try Patch.neurons(
            changes, of: checkpoint, method: .init(name: report.method, options: options),
            results: JSON.parse([UInt8](encoder.encode(report)), source: "the report"))
    }
}

extension PatchStack {
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
