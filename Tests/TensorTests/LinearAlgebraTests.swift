import SutureTensor
import Testing

@Suite("Linear algebra keeps its identities")
struct LinearAlgebraTests {
    func identity(_ size: Int) throws -> Tensor {
        try (Tensor.arange(0..<size).unsqueezed(1) .== Tensor.arange(0..<size)).to(.float64)
    }

    func definite(_ size: Int) throws -> Tensor {
        let a = try normal([size, size])
        return try a.matmul(a.transposed()) + identity(size)
    }

    /// `[rows, columns]` of the given rank.
    func matrix(_ rows: Int, _ columns: Int, rank: Int) throws -> Tensor {
        try normal([rows, rank], seed: 5).matmul(normal([rank, columns], seed: 6))
    }

    @Test("Cholesky: A = L L^T with L lower triangular, and it solves")
    func cholesky() throws {
        let a = try definite(6)
        let factor = try a.cholesky()
        #expect(try distance(factor.matmul(factor.transposed()), a) < 1e-12)
        #expect(try factor.upperTriangle(1).abs().max().item() == 0)
        let b = try normal([6, 2], seed: 2)
        #expect(try distance(a.matmul(b.solved(cholesky: factor)), b) < 1e-12)
    }

    @Test("solved: A X = B")
    func solve() throws {
        let a = try normal([6, 6])
        let b = try normal([6, 2], seed: 2)
        #expect(try distance(a.matmul(b.solved(a)), b) < 1e-11)
        try expect(Tensor([5.0, 11], shape: [2, 1]).solved(Tensor([1.0, 2, 3, 4], shape: [2, 2])), [1, 2])
    }

    @Test("pseudo-inverse: the four conditions of Penrose", arguments: [(7, 4, 4), (4, 7, 4), (7, 5, 2)])
    func pseudoInverse(rows: Int, columns: Int, rank: Int) throws {
        let a = try matrix(rows, columns, rank: rank)
        let p = try a.pseudoInverse(tolerance: 1e-10)
        #expect(p.shape == [columns, rows])
        let (ap, pa) = try (a.matmul(p), p.matmul(a))
        #expect(try distance(ap.matmul(a), a) < 1e-11)
        #expect(try distance(pa.matmul(p), p) < 1e-11)
        #expect(try distance(ap, ap.transposed()) < 1e-11)
        #expect(try distance(pa, pa.transposed()) < 1e-11)
    }

    @Test("the tolerance decides which singular values count")
    func tolerance() throws {
        let a = try Tensor([1.0, 0, 0, 1e-3], shape: [2, 2])
        try expect(a.pseudoInverse(tolerance: 1e-6), [1, 0, 0, 1000])
        try expect(a.pseudoInverse(tolerance: 1e-2), [1, 0, 0, 0])
    }

    @Test("QR: orthonormal columns, upper triangular, A = Q R", arguments: [(6, 3), (3, 6)])
    func qr(rows: Int, columns: Int) throws {
        let a = try normal([rows, columns])
        let (q, r) = try a.qr()
        #expect(try distance(q.matmul(r), a) < 1e-12)
        #expect(try distance(q.transposed().matmul(q), identity(min(rows, columns))) < 1e-12)
        #expect(try distance(r.upperTriangle(), r) == 0)
    }

    @Test("SVD: A = U S V^T, orthonormal, falling", arguments: [(6, 3), (3, 6)])
    func svd(rows: Int, columns: Int) throws {
        let a = try normal([rows, columns])
        let (u, s, vt) = try a.svd()
        #expect(s.shape == [3])
        #expect(try distance((u * s).matmul(vt), a) < 1e-12)
        #expect(try distance(u.transposed().matmul(u), identity(3)) < 1e-12)
        #expect(try distance(vt.matmul(vt.transposed()), identity(3)) < 1e-12)
        #expect(try distance(s.sorted(descending: true).values, s) == 0)
        #expect(try s.min().item() > 0)
    }

    @Test("symmetric eigenvalues: A V = V D, orthonormal, rising")
    func eigen() throws {
        let a = try definite(5)
        let (values, vectors) = try a.symmetricEigen()
        #expect(try distance(a.matmul(vectors), vectors * values) < 1e-11)
        #expect(try distance(vectors.transposed().matmul(vectors), identity(5)) < 1e-12)
        #expect(try distance(values.sorted().values, values) == 0)
        try expect(Tensor([2.0, 1, 1, 2], shape: [2, 2]).symmetricEigen().values, [1, 3])
    }

    @Test("least squares: normal equations, least norm whatever the rank", arguments: [(8, 3, 3), (3, 8, 3), (8, 5, 2)])
    func leastSquares(rows: Int, columns: Int, rank: Int) throws {
        let a = try matrix(rows, columns, rank: rank)
        let b = try normal([rows, 2], seed: 9)
        let x = try b.leastSquares(a)
        #expect(x.shape == [columns, 2])
        #expect(try a.transposed().matmul(a.matmul(x) - b).abs().max().item() < 1e-10)
        // Of least norm: nothing of x lies in the null space.
        #expect(try distance(a.pseudoInverse(tolerance: 1e-10).matmul(a).matmul(x), x) < 1e-10)
    }

    @Test("what cannot be done is an error")
    func errors() throws {
        let flat = try Tensor([1.0, 2, 2, 4], shape: [2, 2])
        #expect(throws: TensorError.self) { try Tensor([1.0, 2, 2, 1], shape: [2, 2]).cholesky() }
        #expect(throws: TensorError.self) { try flat.solved(flat) }
        #expect(throws: TensorError.self) { try Tensor([1.0, 2]).cholesky() }
    }
}
