import CTorch

extension Tensor {
    /// The same numbers as a leaf whose gradient is wanted.
    public func tracked() throws(TensorError) -> Tensor {
        let leaf = try detached()
        guard torch.set_requires_grad(leaf.handle, true) == 0 else { throw TensorError("tracked", [self]) }
        return leaf
    }

    /// Whether gradients are recorded of what is computed from this, on this thread.
    public var isTracked: Bool { torch.is_tracked(handle) }

    /// The same numbers, cut off from how they were computed.
    public func detached() throws(TensorError) -> Tensor { try Tensor(torch.detach(handle), "detached", [self]) }

    /// d(this scalar) / d(input) for each input, each of its input's shape.
    ///
    /// `keepingGraph` allows further gradients of the same computation.
    public func gradients(of inputs: [Tensor], keepingGraph: Bool = false) throws(TensorError) -> [Tensor] {
        try gradients(of: inputs, seed: nil, keepingGraph: keepingGraph)
    }

    /// sum(seed * d(this) / d(input)) for each input.
    public func gradients(of inputs: [Tensor], seed: Tensor?, keepingGraph: Bool = false) throws(TensorError)
        -> [Tensor]
    {
        var out = [OpaquePointer?](repeating: nil, count: inputs.count)
        guard torch.gradients(handle, seed?.handle, inputs.handles, Int32(inputs.count), keepingGraph, &out) == 0 else {
            throw TensorError("gradients", [self] + inputs)
        }
        return out.compactMap { $0.map(Tensor.init(owning:)) }
    }

    /// Runs `body` without recording it for gradients, on this thread.
    public static func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = torch.grad_enabled()
        torch.set_grad_enabled(false)
        defer { torch.set_grad_enabled(before) }
        return try body()
    }
}
