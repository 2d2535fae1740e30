import SutureModels
import SutureTensor

/// The output projection W of one MLP as a memory that answers keys h, its hidden activations, with values W h; and how
/// its keys are distributed. Rank-1 edits are made with it.
public struct LinearMemory: Sendable {
    public let layer: Int
    /// W `[d, m]`, float64.
    public let writing: Tensor
    /// The uncentred second moment S = E[h h^T] `[m, m]`, float64.
    public let moment: Tensor
    /// S^+
    private let inverse: Tensor
    /// S^+ W^T (W S^+ W^T)^+ `[m, d]`: of all keys with a given value, the one of least energy h^T S h.
    private let recall: Tensor

    /// A layer's output projection, and the second moment of what it reads.
    public init(layer: Int, writing: Tensor, moment: Tensor) throws {
        self.layer = layer
        self.writing = try writing.to(.float64)
        self.moment = try moment.to(.float64)
        inverse = try Self.inverse(self.moment)
        let lift = try inverse.matmul(self.writing.transposed())
        recall = try lift.matmul(Self.inverse(self.writing.matmul(lift)))
    }

    /// The pseudoinverse of a symmetric matrix without negative eigenvalues.
    private static func inverse(_ matrix: Tensor) throws -> Tensor {
        let (values, vectors) = try matrix.symmetricEigen()
        let list = try values.elements(as: Double.self)
        let least = 1e-10 * (list.last ?? 0)
        return try (vectors * Tensor(list.map { $0 > least ? 1 / $0 : 0 })).matmul(vectors.transposed())
    }

    /// The b with b.u = 1 that answers least to other keys: S^+ u / (u^T S^+ u) (ROME, arXiv 2202.05262).
    ///
    /// Throws ``SubspaceError`` where u lies outside what the moment has seen.
    func key(_ activation: Tensor) throws -> Tensor {
        let u = try activation.to(.float64).reshaped([-1, 1])
        let solved = try inverse.matmul(u)
        let scale = try (solved * u).sum().item()
        guard scale > 0 else {
            throw SubspaceError(
                .badRequest, "the activation lies outside what the second moment has seen", found: "u.S^+u = \(scale)")
        }
        return try solved / scale
    }

    /// The edit by which an activation `[m]` is answered with `value` `[d]` more than before.
    public func edit(adding value: Tensor, at activation: Tensor) throws -> RankOneEdit {
        RankOneEdit(
            layer: layer, write: try value.to(.float32).reshaped([-1]),
            read: try key(activation).to(.float32).squeezed(1))
    }

    /// The edit that does at one token exactly what a 1-d patch does there, and least on average elsewhere.
    ///
    /// With v the direction, u the base's hidden activation `[m]` and D = source - base: a = (v.D) W v and b as in ROME,
    /// so b.u = 1 and (W + a b^T) u = W (u + (v.D) v). Among all b with b.u = 1 this one has the least b^T S b
    /// (Makelov, Lange & Nanda 2023, section 6).
    public func edit(direction: Tensor, base: Tensor, source: Tensor) throws -> RankOneEdit {
        let v = try direction.to(.float64).reshaped([-1, 1])
        let unit = try v / v.norm(0)
        let difference = try (source.to(.float64) - base.to(.float64)).reshaped([-1, 1])
        return try edit(adding: writing.matmul(unit) * (unit * difference).sum(), at: base)
    }

    /// The direction whose projecting out, x - (v.x) v, comes nearest to an edit on average, and its beta.
    ///
    /// Of all u with W u = a this minimizes E[((alpha v + b).x)^2] with v = alpha u, alpha^2 = beta:
    /// u = -b / beta + S^+ W^T (W S^+ W^T)^+ (a + W b / beta). The paper's own code has factors of 2 that do not minimize
    /// it. `beta` is chosen so that |v| = 1, where v is a projection.
    public func zeroPatch(of edit: RankOneEdit) throws -> (direction: Tensor, beta: Double) {
        let a = try edit.write.to(.float64).unsqueezed(1)
        let b = try edit.read.to(.float64).unsqueezed(1)
        // u = base + slope / beta
        let base = try recall.matmul(a)
        let slope = try recall.matmul(writing.matmul(b)) - b
        func direction(_ beta: Double) throws -> Tensor { try (base + slope / beta) * beta.squareRoot() }
        // What is minimized, as a function of beta: (alpha v + b) = beta base + (slope + b).
        func error(_ beta: Double) throws -> Double {
            let rest = try base * beta + slope + b
            return try (rest * moment.matmul(rest)).sum().item()
        }
        // |v|^2 = beta |base|^2 + 2 base.slope + |slope|^2 / beta = 1: two roots, of which one is nearer to the edit.
        let p = try base.square().sum().item()
        let q = try 2 * (base * slope).sum().item() - 1
        let r = try slope.square().sum().item()
        let discriminant = q * q - 4 * p * r
        // Where no beta makes it a projection, the shortest v is the nearest to one.
        guard discriminant >= 0, q < 0 else {
            let beta = (r / p).squareRoot()
            return (try direction(beta).to(.float32).squeezed(1), beta)
        }
        let roots = [-1, 1].map { (-q + $0 * discriminant.squareRoot()) / (2 * p) }
        let beta = try error(roots[0]) < error(roots[1]) ? roots[0] : roots[1]
        return (try direction(beta).to(.float32).squeezed(1), beta)
    }
}
