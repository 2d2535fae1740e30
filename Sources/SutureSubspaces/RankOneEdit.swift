import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

/// A change W + a b^T of an MLP's output projection, as knowledge editing makes it, and its relation to subspace patches.
public struct RankOneEdit: Sendable {
    public let layer: Int
    /// a `[d]`, float32.
    public let write: Tensor
    /// b `[m]`, float32.
    public let read: Tensor

    public init(layer: Int, write: Tensor, read: Tensor) {
        self.layer = layer
        self.write = write
        self.read = read
    }

    /// The edit that does at one token exactly what a 1-d patch does there, and least on average elsewhere.
    ///
    /// With v the direction, u the base's hidden activation `[m]` and D = source - base: a = (v.D) W v and
    /// b = S^+ u / (u^T S^+ u), so b.u = 1 and (W + a b^T) u = W (u + (v.D) v). S is the uncentred second moment `[m, m]` of
    /// hidden activations; among all b with b.u = 1 this one has the least b^T S b (Makelov, Lange & Nanda 2023, section 6).
    public init(
        layer: Int, direction: Tensor, base: Tensor, source: Tensor, writing: Tensor, moment: Tensor
    ) throws {
        let v = try direction.to(.float64).reshaped([-1, 1])
        let unit = try v / v.norm(0)
        let u = try base.to(.float64).reshaped([-1, 1])
        let difference = try source.to(.float64).reshaped([-1, 1]) - u
        let amount = try (unit * difference).sum()
        let a = try writing.to(.float64).matmul(unit) * amount
        let solved = try moment.to(.float64).pseudoInverse(tolerance: 1e-10).matmul(u)
        let scale = try (solved * u).sum().item()
        guard scale > 0 else {
            throw SubspaceError(
                .badRequest, "the activation lies outside what the second moment has seen", found: "u.S^+u = \(scale)")
        }
        self.init(
            layer: layer, write: try a.to(.float32).squeezed(1), read: try (solved / scale).to(.float32).squeezed(1))
    }

    /// The direction whose projecting out, x - (v.x) v, comes nearest to the edit on average, and how near.
    ///
    /// Of all u with W u = a this minimizes E[((alpha v + b).x)^2] with v = alpha u, alpha^2 = beta:
    /// u = -b / beta + S^+ W^T (W S^+ W^T)^+ (a + W b / beta). The paper's own code has factors of 2 that do not minimize
    /// it. `beta` is searched so that |v| = 1, where v is a projection.
    public func zeroPatch(writing: Tensor, moment: Tensor) throws -> (direction: Tensor, beta: Double) {
        let w = try writing.to(.float64)
        let inverse = try moment.to(.float64).pseudoInverse(tolerance: 1e-10)
        let lift = try inverse.matmul(w.transposed())
        let solve = try lift.matmul(w.matmul(lift).pseudoInverse(tolerance: 1e-10))
        let a = try write.to(.float64).unsqueezed(1)
        let b = try read.to(.float64).unsqueezed(1)
        // u = base + slope / beta
        let base = try solve.matmul(a)
        let slope = try solve.matmul(w.matmul(b)) - b
        func direction(_ beta: Double) throws -> Tensor { try (base + slope / beta) * beta.squareRoot() }
        // |v|^2 = beta |base|^2 + 2 base.slope + |slope|^2 / beta = 1: the larger root of a quadratic.
        let p = try base.square().sum().item()
        let q = try 2 * (base * slope).sum().item() - 1
        let r = try slope.square().sum().item()
        let discriminant = q * q - 4 * p * r
        // Where no beta makes it a projection, the shortest v is the nearest to one.
        let beta = discriminant >= 0 && q < 0 ? (-q + discriminant.squareRoot()) / (2 * p) : (r / p).squareRoot()
        return (try direction(beta).to(.float32).squeezed(1), beta)
    }

    /// The edit as changes of what neurons write: each neuron's column of the projection moves by a b_j.
    public var neuronEdits: [NeuronEdit] {
        get throws {
            try read.elements(as: Double.self).enumerated().compactMap { index, amount in
                amount == 0 ? nil : NeuronEdit(Neuron(layer: layer, index: index), delta: try write * amount)
            }
        }
    }

    /// The edit as a patch of the project's format, with what was measured of it.
    public func patch(of checkpoint: Checkpoint, _ architecture: Architecture, results: JSON = .null) throws -> Patch {
        let (tensor, isColumn) = architecture.writeVectors(layer: layer)
        let changes = try neuronEdits.map { edit in
            NeuronChange(
                tensor: tensor, kind: isColumn ? .columns : .rows, index: edit.neuron.index,
                delta: try edit.delta.floats())
        }
        return try Patch.neurons(changes, of: checkpoint, method: .init(name: "rank-1"), results: results)
    }
}
