import SutureTensor
import Testing

@Suite("Layers for images compute their published formulas")
struct ImageLayerTests {
    /// An image batch in plain Swift.
    struct Images {
        let shape: [Int]
        let numbers: [Double]

        init(_ tensor: Tensor) throws {
            shape = tensor.shape
            numbers = try tensor.elements(as: Double.self)
        }

        /// Zero outside the image.
        subscript(image: Int, channel: Int, row: Int, column: Int) -> Double {
            guard (0..<shape[2]).contains(row), (0..<shape[3]).contains(column) else { return 0 }
            return numbers[((image * shape[1] + channel) * shape[2] + row) * shape[3] + column]
        }
    }

    @Test("convolution, whatever the stride, the padding and the layout", arguments: [1, 2], [0, 1])
    func convolution(stride: Int, padding: Int) throws {
        let (input, weight) = try (normal([2, 3, 5, 6], seed: 1), normal([4, 3, 3, 3], seed: 2))
        let bias = [1.0, 2, 3, 4]
        let (x, w) = try (Images(input), Images(weight))
        let height = (5 + 2 * padding - 3) / stride + 1
        let width = (6 + 2 * padding - 3) / stride + 1
        var expected: [Double] = []
        for image in 0..<2 {
            for channel in 0..<4 {
                for row in 0..<height {
                    for column in 0..<width {
                        var sum = bias[channel]
                        for index in 0..<27 {
                            let (from, i, j) = (index / 9, index / 3 % 3, index % 3)
                            sum +=
                                w[channel, from, i, j]
                                * x[image, from, row * stride - padding + i, column * stride - padding + j]
                        }
                        expected.append(sum)
                    }
                }
            }
        }
        let shape = [2, 4, height, width]
        try expect(
            input.conv2d(weight, bias: Tensor(bias), stride: stride, padding: padding), expected, shape: shape)
        try expect(
            input.channelsLast().conv2d(weight.channelsLast(), bias: Tensor(bias), stride: stride, padding: padding),
            expected, shape: shape)
    }

    @Test("batch norm: by given averages, and by the batch's own, which move the averages")
    func batchNorm() throws {
        let input = try normal([3, 2, 2, 2])
        let x = try Images(input)
        let (gain, bias, mean, variance) = ([1.5, -2], [0.5, 3], [0.1, -0.2], [2.0, 0.5])
        func normalized(_ mean: [Double], _ variance: [Double]) -> [Double] {
            x.numbers.indices.map { index in
                let channel = index / 4 % 2
                let scale = gain[channel] / (variance[channel] + 1e-3).squareRoot()
                return (x.numbers[index] - mean[channel]) * scale + bias[channel]
            }
        }
        let tensors = try [gain, bias, mean, variance].map { try Tensor($0) }
        try expect(
            input.batchNorm(
                gain: tensors[0], bias: tensors[1], mean: tensors[2], variance: tensors[3], epsilon: 1e-3),
            normalized(mean, variance))

        let own = (0..<2).map { channel in x.numbers.indices.filter { $0 / 4 % 2 == channel }.map { x.numbers[$0] } }
        let ownMean = own.map { $0.reduce(0, +) / 12 }
        let squares = zip(own, ownMean).map { numbers, mean in numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } }
        let result = try input.batchNormTraining(
            gain: tensors[0], bias: tensors[1], mean: tensors[2], variance: tensors[3], momentum: 0.1, epsilon: 1e-3)
        try expect(result.output, normalized(ownMean, squares.map { $0 / 12 }))
        try expect(result.mean, zip(mean, ownMean).map { 0.9 * $0 + 0.1 * $1 })
        try expect(result.variance, zip(variance, squares).map { 0.9 * $0 + 0.1 * $1 / 11 })
        try expect(tensors[2], mean, "the averages that came in stay")
    }

    @Test("the largest and the mean of windows")
    func pools() throws {
        let x = try Tensor((0..<16).map { Double($0 * 7 % 16) }, shape: [1, 1, 4, 4])
        // 0 7 14 5 / 12 3 10 1 / 8 15 6 13 / 4 11 2 9
        try expect(x.maxPool2d(size: 2, stride: 2), [12, 14, 15, 13], shape: [1, 1, 2, 2])
        try expect((-x).maxPool2d(size: 3, stride: 2, padding: 1), [0, -1, -3, -1], shape: [1, 1, 2, 2])
        try expect(x.adaptiveAveragePool2d(height: 1, width: 1), [7.5], shape: [1, 1, 1, 1])
        try expect(x.adaptiveAveragePool2d(height: 2, width: 1), [6.5, 8.5], shape: [1, 1, 2, 1])
        try expect(
            x.adaptiveAveragePool2d(height: 1, width: 3), [7.5, 8.5, 7.5], shape: [1, 1, 1, 3])
    }

    @Test("channels last changes the layout and nothing else")
    func channelsLast() throws {
        let x = try normal([2, 3, 4, 5])
        try expect(x.channelsLast(), x.elements(as: Double.self), shape: x.shape)
        #expect(throws: TensorError.self) { try normal([2, 3]).channelsLast() }
    }

    @Test("dropout keeps what it should, scaled, and follows its seed")
    func dropout() throws {
        let ones = try Tensor.full([100, 100], 1)
        let dropped = try RandomSource(seed: 3).dropout(ones, rate: 0.25).floats()
        #expect(Set(dropped) == [0, 4.0 / 3])
        // Mean 7500, standard deviation 43.
        #expect((7300...7700).contains(dropped.count { $0 > 0 }))
        #expect(try RandomSource(seed: 3).dropout(ones, rate: 0.25).floats() == dropped)
        #expect(try RandomSource(seed: 4).dropout(ones, rate: 0.25).floats() != dropped)
    }
}
