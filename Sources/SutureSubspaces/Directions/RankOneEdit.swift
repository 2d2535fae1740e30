import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

/// A change W + a b^T of an MLP's output projection, as knowledge editing makes it; ``LinearMemory`` relates it to
/// subspace patches.
public struct RankOneEdit: Sendable {
    public let layer: Int
    /// a `[d]`, float32.
    public let write: Tensor
    /// b `[m]`, float32.
    public let read: Tensor

    /// The change `write read^T` of a layer's output projection.
    public init(layer: Int, write: Tensor, read: Tensor) {
        self.layer = layer
        self.write = write
        self.read = read
    }

    /// The edit as changes of what neurons write: each neuron's column of the projection moves by a b_j.
    public var neuronEdits: [NeuronEdit] {
        get throws {
            try read.elements(as: Double.self).enumerated().compactMap { index, amount in
                amount == 0 ? nil : NeuronEdit(Neuron(layer: layer, index: index), delta: try write * amount)
            }
        }
    }

    /// The edit as a patch of the project's format, the two vectors as its factors, with what was measured of it.
    public func patch(
        of checkpoint: Checkpoint, _ architecture: Architecture, results: JSON = .null
    ) throws -> Patch {
        let (tensor, isColumn) = architecture.writeVectors(layer: layer)
        // A projection stored `[in, out]` changes by b a^T.
        let (rows, columns) = isColumn ? (write, read) : (read, write)
        let change = Edit.lowRank(tensor, a: try columns.floats(), b: try rows.floats(), rank: 1)
        return try Patch([change], of: checkpoint, method: .init(name: "rank-1"), results: results)
    }
}
