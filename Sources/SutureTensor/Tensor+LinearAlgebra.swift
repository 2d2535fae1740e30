import CTorch

extension Tensor {
    /// The lower triangular factor L of a symmetric positive definite matrix, L L^T.
    public func cholesky() throws(TensorError) -> Tensor { try Tensor(torch.cholesky(handle), "cholesky", [self]) }

    /// X with L L^T X = this `[n, columns]`, given the factor L of ``cholesky()``.
    public func solved(cholesky factor: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.cholesky_solve(handle, factor.handle), "solved(cholesky:)", [self, factor])
    }

    /// X with `matrix` X = this `[n, columns]`.
    public func solved(_ matrix: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.solve(matrix.handle, handle), "solved", [matrix, self])
    }

    /// The Moore-Penrose inverse; singular values below `tolerance` times the largest count as zero.
    public func pseudoInverse(tolerance: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.pinv(handle, tolerance), "pseudoInverse", [self])
    }

    /// The X of least norm among those that minimize |matrix X - this|, by SVD.
    public func leastSquares(_ matrix: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.lstsq(matrix.handle, handle), "leastSquares", [matrix, self])
    }

    /// Q with orthonormal columns and upper triangular R, in reduced form.
    public func qr() throws(TensorError) -> (q: Tensor, r: Tensor) { try two("qr") { torch.qr(handle, $0, $1) } }

    /// U, the singular values in falling order, and V^T, in reduced form.
    public func svd() throws(TensorError) -> (u: Tensor, s: Tensor, vt: Tensor) {
        var handles: (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        guard torch.svd(handle, &handles.0, &handles.1, &handles.2) == 0, let u = handles.0, let s = handles.1,
            let vt = handles.2
        else { throw TensorError("svd", [self]) }
        return (Tensor(owning: u), Tensor(owning: s), Tensor(owning: vt))
    }

    /// The eigenvalues of a symmetric matrix in rising order, and its eigenvectors as columns.
    public func symmetricEigen() throws(TensorError) -> (values: Tensor, vectors: Tensor) {
        try two("symmetricEigen") { torch.eigh(handle, $0, $1) }
    }
}
