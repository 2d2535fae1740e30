import CTorch

extension Tensor {
    /// The sum over `dims`, or over everything.
    public func sum(_ dims: [Int] = [], keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.sum(handle, dims.int64, Int32(dims.count), keep), "sum(\(dims))", [self])
    }

    /// The mean over `dims`, or over everything.
    public func mean(_ dims: [Int] = [], keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.mean(handle, dims.int64, Int32(dims.count), keep), "mean(\(dims))", [self])
    }

    /// The largest element over `dims`, or of all.
    public func max(_ dims: [Int] = [], keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.amax(handle, dims.int64, Int32(dims.count), keep), "max(\(dims))", [self])
    }

    /// The smallest element over `dims`, or of all.
    public func min(_ dims: [Int] = [], keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.amin(handle, dims.int64, Int32(dims.count), keep), "min(\(dims))", [self])
    }

    /// log(sum(exp(x))) over `dim`, without overflow.
    public func logSumExp(_ dim: Int = -1, keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.logsumexp(handle, Int64(dim), keep), "logSumExp(\(dim))", [self])
    }

    /// The Euclidean norm over `dim`.
    public func norm(_ dim: Int = -1, keepingDims keep: Bool = false) throws(TensorError) -> Tensor {
        try Tensor(torch.norm(handle, Int64(dim), keep), "norm(\(dim))", [self])
    }

    /// The index (int64) of the largest element along `dim`.
    public func argmax(_ dim: Int = -1) throws(TensorError) -> Tensor {
        try Tensor(torch.argmax(handle, Int64(dim)), "argmax(\(dim))", [self])
    }

    /// Running sums along `dim`.
    public func cumulativeSum(_ dim: Int) throws(TensorError) -> Tensor {
        try Tensor(torch.cumsum(handle, Int64(dim)), "cumulativeSum(\(dim))", [self])
    }

    /// The `count` largest elements along `dim`, largest first, with their indices (int64).
    public func top(_ count: Int, _ dim: Int = -1) throws(TensorError) -> (values: Tensor, indices: Tensor) {
        try two("top(\(count))") { torch.topk(handle, Int64(count), Int64(dim), true, $0, $1) }
    }

    /// The elements sorted along `dim`, with their indices (int64).
    public func sorted(_ dim: Int = -1, descending: Bool = false) throws(TensorError) -> (
        values: Tensor, indices: Tensor
    ) {
        try two("sorted(\(dim))") { torch.sort(handle, Int64(dim), descending, $0, $1) }
    }

    typealias Out = UnsafeMutablePointer<OpaquePointer?>

    func two(_ operation: String, _ call: (Out, Out) -> Int32) throws(TensorError) -> (Tensor, Tensor) {
        var first: OpaquePointer?
        var second: OpaquePointer?
        guard call(&first, &second) == 0, let first, let second else { throw TensorError(operation, [self]) }
        return (Tensor(owning: first), Tensor(owning: second))
    }
}
