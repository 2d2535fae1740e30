import SutureTensor

/// What a linear map can see of its input, and what it cannot: the row space of a matrix and its kernel.
///
/// The rank is read off the singular values: those at most `max(m, n) * eps * s_max` count as zero, with the eps of
/// float32, in which the weights are. Computed in float64.
public struct RowSpace: Sendable {
    /// The width of the input, and the rank.
    public let width: Int
    public let rank: Int
    /// Singular values at most this count as zero.
    public let tolerance: Double
    /// Orthonormal columns that span the row space, `[width, rank]`, float64.
    private let basis: Tensor

    /// Of the map x -> `matrix` x, `[out, width]`.
    public init(of matrix: Tensor) throws {
        let (_, s, vt) = try matrix.to(.float64).svd()
        let values = try s.elements(as: Double.self)
        width = matrix.shape[1]
        tolerance = Double(matrix.shape.max() ?? 1) * Double(Float.ulpOfOne) * (values.first ?? 0)
        let kept = values.prefix { [tolerance] in $0 > tolerance }.count
        rank = kept
        basis = try vt.narrowed(0, 0..<kept).transposed()
    }

    /// The variant of the paper's code: QR without looking at the rank. Where the matrix is rank-deficient, as after
    /// centering, an arbitrary direction counts as visible; only to reproduce published digits.
    public init(qr matrix: Tensor) throws {
        basis = try matrix.to(.float64).transposed().qr().q
        width = matrix.shape[1]
        rank = basis.shape[1]
        tolerance = 0
    }

    /// The part of vectors `[..., width]` that the map sees; float64.
    public func row(_ vectors: Tensor) throws -> Tensor {
        try vectors.to(.float64).matmul(basis).matmul(basis.transposed())
    }

    /// The part in the kernel: moving along it changes nothing; float64.
    public func null(_ vectors: Tensor) throws -> Tensor { try vectors.to(.float64) - row(vectors) }

    /// The length of the kernel part of a random unit vector: sqrt(1 - rank / width).
    public var randomNull: Double { (1 - Double(rank) / Double(width)).squareRoot() }
}

/// The two parts of a direction, and the patches that are made of them.
public struct SplitDirection: Sendable {
    /// The unit direction v and its parts, `[width, 1]`.
    public let whole: Tensor
    public let row: Tensor
    public let null: Tensor
    public let rowNorm: Double
    public let nullNorm: Double

    public init(_ direction: Tensor, in space: RowSpace) throws {
        let column = try direction.to(.float64).reshaped([-1])
        guard column.count == space.width else {
            throw SubspaceError(
                .wrongWidth, "the direction does not fit the map", expected: "\(space.width)", found: "\(column.count)")
        }
        let unit = try column / column.norm()
        func shaped(_ vector: Tensor) throws -> Tensor { try vector.to(.float32).unsqueezed(1) }
        let row = try space.row(unit)
        let null = try unit - row
        whole = try shaped(unit)
        self.row = try shaped(row)
        self.null = try shaped(null)
        rowNorm = try row.norm().item()
        nullNorm = try null.norm().item()
    }

    /// Which part of a direction a patch uses.
    public enum Part: String, Sendable, CaseIterable, Codable {
        /// The direction itself.
        case whole
        /// Its row part, of length one: what the paper calls the row-space patch.
        case row
        /// Its row part as it is, shorter than one: what the reply uses.
        case rowRaw
        /// Its kernel part, of length one: has to change nothing.
        case null
        /// Reads the kernel part, writes the direction: u + v (v_null . D).
        case readNull
        /// Reads the row part, writes the direction: u + v (v_row . D).
        case readRow
    }

    /// The patch with one part; nil where that part is nothing but rounding.
    public func patch(_ part: Part, at spot: Spot) throws -> SubspacePatch? {
        let tiny = 1e-6
        switch part {
        case .whole: return SubspacePatch(spot, whole)
        case .row: return rowNorm < tiny ? nil : SubspacePatch(spot, try row / rowNorm)
        case .rowRaw: return SubspacePatch(spot, row)
        case .null: return nullNorm < tiny ? nil : SubspacePatch(spot, try null / nullNorm)
        case .readNull: return SubspacePatch(spot, read: null, write: whole)
        case .readRow: return SubspacePatch(spot, read: row, write: whole)
        }
    }
}
