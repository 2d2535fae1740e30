import SutureTensor

/// A change of the output projection W `[d, m]` of a layer's MLP, of all its neurons at once.
///
/// It is always `[d, m]`, a neuron's write vector a column, however the checkpoint stores W.
public struct MatrixDelta: Sendable {
    /// How what is added is written down.
    public enum Form: Sendable {
        /// The product of `write` `[d, rank]` and `read` `[rank, m]`.
        case lowRank(write: Tensor, read: Tensor)
        /// Every element, `[d, m]`.
        case dense(Tensor)
    }

    public var layer: Int
    public var form: Form

    /// A change of the output projection of a layer's MLP.
    public init(layer: Int, _ form: Form) {
        self.layer = layer
        self.form = form
    }

    /// The number of factors; nil where every element is written down.
    public var rank: Int? {
        guard case .lowRank(_, let read) = form else { return nil }
        return read.shape[0]
    }

    /// How many numbers it is written down in.
    public var count: Int {
        switch form {
        case .lowRank(let write, let read): write.count + read.count
        case .dense(let matrix): matrix.count
        }
    }

    /// All elements, `[d, m]`.
    public var matrix: Tensor {
        get throws {
            switch form {
            case .lowRank(let write, let read): try write.matmul(read)
            case .dense(let matrix): matrix
            }
        }
    }

    /// What is added to what one neuron writes, `[d]`.
    public func column(_ index: Int) throws -> Tensor {
        switch form {
        case .lowRank(let write, let read): try write.matmul(read.narrowed(1, index..<index + 1)).squeezed(1)
        case .dense(let matrix): try matrix.selected(1, index)
        }
    }

    /// What the change adds to the MLP's output for hidden activations `[..., m]`: `[..., d]`.
    public func output(_ hidden: Tensor) throws -> Tensor {
        switch form {
        case .lowRank(let write, let read): try hidden.linear(read).linear(write)
        case .dense(let matrix): try hidden.linear(matrix)
        }
    }

    /// The sum of all squared elements.
    public var energy: Double {
        get throws {
            switch form {
            case .lowRank(let write, let read):
                // |B A|^2 = <B^T B, A A^T>
                let (b, a) = (try write.to(.float64), try read.to(.float64))
                return max(0, try (b.transposed().matmul(b) * a.matmul(a.transposed())).sum().item())
            case .dense(let matrix):
                return try matrix.to(.float64).square().sum().item()
            }
        }
    }

    /// Both changes of the layer: as factors side by side while these are fewer numbers than the elements.
    public func adding(_ other: MatrixDelta) throws -> MatrixDelta {
        if case .lowRank(let write, let read) = form, case .lowRank(let write2, let read2) = other.form {
            let (b, a) = (try Tensor.concatenated([write, write2], 1), try Tensor.concatenated([read, read2], 0))
            if a.count + b.count < b.shape[0] * a.shape[1] {
                return MatrixDelta(layer: layer, .lowRank(write: b, read: a))
            }
        }
        return MatrixDelta(layer: layer, .dense(try matrix + other.matrix))
    }
}
