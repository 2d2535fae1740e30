import CTorch

// Every solver and decomposition begins by looking at its operands: of values that are not finite the libraries below make
// nonsense, never come back, or blame themselves.
extension Tensor {
    /// The lower triangular factor L of a symmetric positive definite matrix, L L^T.
    public func cholesky() throws(TensorError) -> Tensor {
        try Self.requireFinite("cholesky", [self])
        return try Tensor(torch.cholesky(handle), "cholesky", [self])
    }

    /// X with L L^T X = this `[n, columns]`, given the factor L of ``cholesky()``.
    public func solved(cholesky factor: Tensor) throws(TensorError) -> Tensor {
        try Self.requireFinite("solved(cholesky:)", [self, factor])
        return try Tensor(torch.cholesky_solve(handle, factor.handle), "solved(cholesky:)", [self, factor])
    }

    /// X with `matrix` X = this `[n, columns]`.
    public func solved(_ matrix: Tensor) throws(TensorError) -> Tensor {
        try Self.requireFinite("solved", [matrix, self])
        return try Tensor(torch.solve(matrix.handle, handle), "solved", [matrix, self])
    }

    /// The Moore-Penrose inverse; singular values below `tolerance` times the largest count as zero.
    public func pseudoInverse(tolerance: Double) throws(TensorError) -> Tensor {
        try Self.requireFinite("pseudoInverse", [self])
        return try Tensor(torch.pinv(handle, tolerance), "pseudoInverse", [self])
    }

    /// The X of least norm among those that minimize |matrix X - this|, by SVD.
    public func leastSquares(_ matrix: Tensor) throws(TensorError) -> Tensor {
        try Self.requireFinite("leastSquares", [matrix, self])
        return try Tensor(torch.lstsq(matrix.handle, handle), "leastSquares", [matrix, self])
    }

    /// Q with orthonormal columns and upper triangular R, in reduced form.
    public func qr() throws(TensorError) -> (q: Tensor, r: Tensor) {
        try Self.requireFinite("qr", [self])
        return try two("qr") { torch.qr(handle, $0, $1) }
    }

    /// U, the singular values in falling order, and V^T, in reduced form.
    public func svd() throws(TensorError) -> (u: Tensor, s: Tensor, vt: Tensor) {
        try Self.requireFinite("svd", [self])
        var handles: (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        guard torch.svd(handle, &handles.0, &handles.1, &handles.2) == 0, let u = handles.0, let s = handles.1,
            let vt = handles.2
        else { throw TensorError("svd", [self]) }
        return (Tensor(owning: u), Tensor(owning: s), Tensor(owning: vt))
    }

    /// The eigenvalues of a symmetric matrix in rising order, and its eigenvectors as columns.
    public func symmetricEigen() throws(TensorError) -> (values: Tensor, vectors: Tensor) {
        try Self.requireFinite("symmetricEigen", [self])
        return try two("symmetricEigen") { torch.eigh(handle, $0, $1) }
    }

    private static func requireFinite(_ operation: String, _ operands: [Tensor]) throws(TensorError) {
        for operand in operands where operand.count > 0 {
            // The largest of values with one that is no number is no number.
            guard try operand.detached().abs().max().item().isFinite else {
                throw TensorError(
                    operation, operands, cause: .notFinite,
                    reason:
                        "it was given values that are infinite or no numbers; the model or the data has such values, "
                        + "or comes to them")
            }
        }
    }
}
