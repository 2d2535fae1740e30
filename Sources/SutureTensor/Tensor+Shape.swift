import CTorch

extension Tensor {
    /// The same elements in another shape; one extent may be -1.
    public func reshaped(_ shape: [Int]) throws(TensorError) -> Tensor {
        try Tensor(torch.reshape(handle, shape.int64, Int32(shape.count)), "reshaped(\(shape))", [self])
    }

    /// Dimensions of extent 1 repeated without a copy; -1 keeps an extent.
    public func expanded(_ shape: [Int]) throws(TensorError) -> Tensor {
        try Tensor(torch.expand(handle, shape.int64, Int32(shape.count)), "expanded(\(shape))", [self])
    }

    /// The dimensions in another order.
    public func permuted(_ order: [Int]) throws(TensorError) -> Tensor {
        try Tensor(torch.permute(handle, order.int64, Int32(order.count)), "permuted(\(order))", [self])
    }

    /// Two dimensions swapped; the last two unless told otherwise.
    public func transposed(_ a: Int = -2, _ b: Int = -1) throws(TensorError) -> Tensor {
        try Tensor(torch.transpose(handle, Int64(a), Int64(b)), "transposed(\(a), \(b))", [self])
    }

    /// A new dimension of extent 1 at `dim`.
    public func unsqueezed(_ dim: Int) throws(TensorError) -> Tensor {
        try Tensor(torch.unsqueeze(handle, Int64(dim)), "unsqueezed(\(dim))", [self])
    }

    /// Without dimension `dim`, which has extent 1.
    public func squeezed(_ dim: Int) throws(TensorError) -> Tensor {
        try Tensor(torch.squeeze(handle, Int64(dim)), "squeezed(\(dim))", [self])
    }

    /// The part with `range` of dimension `dim`, without a copy.
    public func narrowed(_ dim: Int, _ range: Range<Int>) throws(TensorError) -> Tensor {
        try Tensor(
            torch.narrow(handle, Int64(dim), Int64(range.lowerBound), Int64(range.count)), "narrowed(\(dim), \(range))",
            [self])
    }

    /// The part at `index` of dimension `dim`, which is dropped; negative counts from the end.
    public func selected(_ dim: Int, _ index: Int) throws(TensorError) -> Tensor {
        try Tensor(torch.select(handle, Int64(dim), Int64(index)), "selected(\(dim), \(index))", [self])
    }

    /// The parts at `indices` (int64) of dimension `dim`, in that order.
    public func indexSelected(_ dim: Int, at indices: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.index_select(handle, Int64(dim), indices.handle), "indexSelected(\(dim))", [self, indices])
    }

    /// The parts at `indices` of dimension `dim`, in that order.
    public func indexSelected(_ dim: Int, at indices: [Int]) throws(TensorError) -> Tensor {
        try indexSelected(dim, at: Tensor(indices, device: device))
    }

    /// One element along `dim` for each element of `indices` (int64), as `torch.gather`.
    public func gathered(_ dim: Int, at indices: Tensor) throws(TensorError) -> Tensor {
        try Tensor(torch.gather(handle, Int64(dim), indices.handle), "gathered(\(dim))", [self, indices])
    }

    /// This tensor with `source` added at `indices` (int64) of dimension `dim`.
    public func adding(_ dim: Int, at indices: Tensor, _ source: Tensor) throws(TensorError) -> Tensor {
        try Tensor(
            torch.index_add(handle, Int64(dim), indices.handle, source.handle), "adding(\(dim))",
            [self, indices, source])
    }

    /// This tensor with the parts at `indices` (int64) of dimension `dim` replaced by those of `source`.
    public func replacing(_ dim: Int, at indices: Tensor, with source: Tensor) throws(TensorError) -> Tensor {
        try Tensor(
            torch.index_copy(handle, Int64(dim), indices.handle, source.handle), "replacing(\(dim))",
            [self, indices, source])
    }

    /// Tensors laid end to end along `dim`.
    public static func concatenated(_ tensors: [Tensor], _ dim: Int) throws(TensorError) -> Tensor {
        if tensors.count == 1, (-tensors[0].rank..<tensors[0].rank).contains(dim) { return tensors[0] }
        return try Tensor(torch.cat(tensors.handles, Int32(tensors.count), Int64(dim)), "concatenated(\(dim))", tensors)
    }

    /// Tensors of one shape laid along a new dimension `dim`.
    public static func stacked(_ tensors: [Tensor], _ dim: Int = 0) throws(TensorError) -> Tensor {
        try Tensor(torch.stack(tensors.handles, Int32(tensors.count), Int64(dim)), "stacked(\(dim))", tensors)
    }

    /// The last two dimensions with what lies below the `diagonal` set to zero.
    public func upperTriangle(_ diagonal: Int = 0) throws(TensorError) -> Tensor {
        try Tensor(torch.triu(handle, Int64(diagonal)), "upperTriangle", [self])
    }
}

extension [Tensor] {
    var handles: [OpaquePointer?] { map(\.handle) }
}
