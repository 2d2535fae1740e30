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

/// The two parts of directions, and the patches that are made of them.
public struct SplitDirection: Sendable {
    /// Orthonormal directions and their parts, `[width, k]`.
    public let whole: Tensor
    public let row: Tensor
    public let null: Tensor
    /// The lengths of the parts; of several directions, the root mean square.
    public let rowNorm: Double
    public let nullNorm: Double

    /// Splits orthonormal columns `[width, k]`, or one vector `[width]` that is brought to length one.
    public init(_ directions: Tensor, in space: RowSpace) throws {
        var columns = try directions.to(.float64)
        if columns.rank == 1 { columns = try (columns / columns.norm()).unsqueezed(1) }
        guard columns.shape[0] == space.width else {
            throw SubspaceError(
                .wrongWidth, "the direction does not fit the map", expected: "\(space.width)",
                found: "\(columns.shape[0])")
        }
        let row = try space.row(columns.transposed()).transposed()
        let null = try columns - row
        let count = Double(columns.shape[1])
        whole = try columns.to(.float32)
        self.row = try row.to(.float32)
        self.null = try null.to(.float32)
        rowNorm = try (row.square().sum().item() / count).squareRoot()
        nullNorm = try (null.square().sum().item() / count).squareRoot()
    }

    /// Which part of a direction a patch uses.
    public enum Part: String, Sendable, CaseIterable, Codable {
        /// The direction itself.
        case whole
        /// Its row part, made orthonormal: what the paper calls the row-space patch.
        case row
        /// Its row part as it is, shorter than one: what the reply uses.
        case rowRaw
        /// Its kernel part, made orthonormal: has to change nothing.
        case null
        /// Reads the kernel part, writes the direction: u + v (v_null . D).
        case readNull
        /// Reads the row part, writes the direction: u + v (v_row . D).
        case readRow
    }

    /// What a part reads and what it writes; nil where that part is nothing but rounding.
    public func directions(_ part: Part) throws -> (read: Tensor, write: Tensor)? {
        let tiny = 1e-5
        func both(_ part: Tensor) throws -> (Tensor, Tensor) {
            let basis = try DAS.orthonormal(part)
            return (basis, basis)
        }
        switch part {
        case .whole: return (whole, whole)
        case .row: return rowNorm < tiny ? nil : try both(row)
        case .rowRaw: return (row, row)
        case .null: return nullNorm < tiny ? nil : try both(null)
        case .readNull: return (null, whole)
        case .readRow: return (row, whole)
        }
    }

    /// The patch with one part; nil where that part is nothing but rounding.
    public func patch(_ part: Part, at location: Location) throws -> SubspacePatch? {
        try directions(part).map { SubspacePatch(location, read: $0.read, write: $0.write) }
    }
}
