import CTorch

/// Random tensors from a seed: the same numbers on every machine and in every run.
///
/// Drawn on the CPU with libtorch's Mersenne Twister, whatever the device.
public final class RandomSource {
    private let handle: OpaquePointer

    /// A source of its own; equal seeds give equal numbers.
    public init(seed: UInt64) throws(TensorError) {
        guard let made = torch.generator(seed) else { throw TensorError("RandomSource") }
        handle = made
    }

    deinit { torch.generator_free(handle) }

    /// Independent standard normal numbers.
    public func normal(_ shape: [Int]) throws(TensorError) -> Tensor {
        try Tensor(torch.normal(shape.int64, Int32(shape.count), handle), "normal\(shape)")
    }

    /// Independent numbers, uniform in 0..<1.
    public func uniform(_ shape: [Int]) throws(TensorError) -> Tensor {
        try Tensor(torch.uniform(shape.int64, Int32(shape.count), handle), "uniform\(shape)")
    }

    /// Dropout: each element is zero with probability `rate`, else divided by `1 - rate` (Srivastava et al. 2014).
    public func dropout(_ tensor: Tensor, rate: Double) throws(TensorError) -> Tensor {
        try Tensor(torch.dropout(tensor.handle, rate, handle), "dropout(\(rate))", [tensor])
    }

    /// The whole numbers 0..<count in random order.
    public func permutation(_ count: Int) throws(TensorError) -> [Int] {
        try Tensor(torch.permutation(Int64(count), handle), "permutation").ints()
    }
}
