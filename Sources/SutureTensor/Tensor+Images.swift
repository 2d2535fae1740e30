import CTorch

// What networks for images are made of: tensors `[batch, channels, height, width]`.
extension Tensor {
    /// The same numbers with the channels of a pixel side by side in memory: convolutions are quicker on them.
    ///
    /// What follows from such a tensor is laid out in the same way.
    public func channelsLast() throws(TensorError) -> Tensor {
        try Tensor(torch.channels_last(handle), "channelsLast", [self])
    }

    /// Cross-correlation with a weight `[out, in, size, size]` and a bias `[out]`, zeros around the edges.
    public func conv2d(_ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0) throws(TensorError)
        -> Tensor
    {
        try Tensor(
            torch.conv2d(handle, weight.handle, bias?.handle, Int64(stride), Int64(padding)),
            "conv2d(stride: \(stride), padding: \(padding))", [self, weight, bias])
    }

    /// `(x - mean) / sqrt(variance + epsilon) * gain + bias`, each `[channels]`.
    public func batchNorm(gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: Double)
        throws(TensorError) -> Tensor
    {
        try Tensor(
            torch.batch_norm(handle, gain.handle, bias.handle, mean.handle, variance.handle, epsilon), "batchNorm",
            [self, gain, bias, mean, variance])
    }

    /// ``batchNorm(gain:bias:mean:variance:epsilon:)`` with the batch's own mean and variance, as it is trained (Ioffe &
    /// Szegedy 2015), beside the running averages `(1 - momentum) * old + momentum * batch`.
    ///
    /// The variance that enters the average is the unbiased one, as in PyTorch.
    public func batchNormTraining(
        gain: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, momentum: Double, epsilon: Double
    ) throws(TensorError) -> (output: Tensor, mean: Tensor, variance: Tensor) {
        var (output, newMean, newVariance): (OpaquePointer?, OpaquePointer?, OpaquePointer?)
        let status = torch.batch_norm_training(
            handle, gain.handle, bias.handle, mean.handle, variance.handle, momentum, epsilon, &output, &newMean,
            &newVariance)
        guard status == 0, let output, let newMean, let newVariance else {
            throw TensorError("batchNormTraining", [self, gain, bias, mean, variance])
        }
        return (Tensor(owning: output), Tensor(owning: newMean), Tensor(owning: newVariance))
    }

    /// max(x, 0) in the memory of this tensor, which must have been made just before and be held by nobody else: a
    /// network spares half of its memory for activations so.
    ///
    /// Where a gradient needs the numbers that were overwritten, the engine refuses to compute it.
    package func reluInPlace() throws(TensorError) -> Tensor {
        guard torch.relu_in_place(handle) == 0 else { throw TensorError("reluInPlace", [self]) }
        return self
    }

    /// The largest element of each window; what lies outside never is.
    public func maxPool2d(size: Int, stride: Int, padding: Int = 0) throws(TensorError) -> Tensor {
        try Tensor(
            torch.max_pool2d(handle, Int64(size), Int64(stride), Int64(padding)),
            "maxPool2d(size: \(size), stride: \(stride), padding: \(padding))", [self])
    }

    /// Means over `height` by `width` windows that cover the image: row i spans `floor(i h / height)` to
    /// `ceil((i + 1) h / height)`, and columns likewise.
    public func adaptiveAveragePool2d(height: Int, width: Int) throws(TensorError) -> Tensor {
        try Tensor(
            torch.adaptive_avg_pool2d(handle, Int64(height), Int64(width)),
            "adaptiveAveragePool2d(\(height), \(width))", [self])
    }
}
