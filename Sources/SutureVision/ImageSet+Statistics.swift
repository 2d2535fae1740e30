import SutureTensor

extension ImageSet {
    private static let partLimit = 1 << 24

    /// Mean and standard deviation of each channel over all pixels, in 0...1: what a classifier's input is normalised by.
    ///
    /// A channel that never changes has deviation 1.
    public func channelStatistics() throws -> (mean: [Double], deviation: [Double]) {
        // In parts, so that neither a large set nor a large image is held as floats.
        var (sums, squares) = try (Tensor.zeros([pixels.shape[1]], dtype: .float64), Tensor.zeros([1], dtype: .float64))
        let batch = self.count(within: Self.partLimit, atMost: 4096)
        let (height, line) = (pixels.shape[2], pixels.shape[1] * pixels.shape[3])
        let rows = max(1, min(height, Self.partLimit / max(1, line)))
        for start in stride(from: 0, to: count, by: batch) {
            let images = try pixels.narrowed(0, start..<min(start + batch, count))
            for row in stride(from: 0, to: height, by: rows) {
                let part = try images.narrowed(2, row..<min(row + rows, height)).to(.float64) / 255
                sums = try sums + part.sum([0, 2, 3])
                squares = try squares + part.square().sum([0, 2, 3])
            }
        }
        let total = Double(count * pixels.shape[2] * pixels.shape[3])
        let mean: [Double] = try (sums / total).elements()
        let deviation: [Double] = try (squares / total).elements()
        return (
            mean,
            zip(deviation, mean).map { square, mean in
                let variance = square - mean * mean
                return variance > 1e-8 ? variance.squareRoot() : 1
            }
        )
    }
}
