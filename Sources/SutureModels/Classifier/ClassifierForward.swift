import SutureTensor

/// One pass of images through a classifier, and the only one: evaluation and training walk the same layers.
struct ClassifierForward {
    let tensors: [String: Tensor]
    /// The random numbers of dropout; nil for none.
    let random: RandomSource?
    /// How far batch norms move their averages to the statistics of the batch, by which they normalise then; nil for
    /// evaluation, where they normalise by the averages.
    let momentum: Double?
    /// The moved averages of batch norms, under their names; empty after an evaluation.
    private(set) var averages: [String: Tensor] = [:]

    // torchvision's constants; timm's are the same.
    static let epsilon = 1e-5
    static let layerNormEpsilon = 1e-6
    static let momentum = 0.1

    init(_ tensors: [String: Tensor], random: RandomSource? = nil, momentum: Double? = nil) {
        self.tensors = tensors
        self.random = random
        self.momentum = momentum
    }

    mutating func run(_ layers: [ClassifierArchitecture.Layer], _ input: Tensor) throws -> Tensor {
        try layers.reduce(input) { try step($1, $0) }
    }

    private mutating func step(_ layer: ClassifierArchitecture.Layer, _ input: Tensor) throws -> Tensor {
        switch layer {
        case .convolution(let it):
            return try input.conv2d(
                tensor(it.name + ".weight"), bias: it.hasBias ? tensor(it.name + ".bias") : nil, stride: it.stride,
                padding: it.padding)
        case .batchNorm(let name, _): return try batchNorm(name, input)
        // What comes before is a convolution, a norm or a linear layer, whose gradients do not look at what they gave.
        case .relu: return try input.reluInPlace()
        case .maxPool(let size, let stride, let padding):
            return try input.maxPool2d(size: size, stride: stride, padding: padding)
        case .averagePool(let size): return try input.adaptiveAveragePool2d(height: size, width: size)
        case .flatten: return try input.reshaped([input.shape[0], -1])
        case .dropout(let rate): return try random.map { try $0.dropout(input, rate: rate) } ?? input
        case .linear(let name, _, _):
            return try input.linear(tensor(name + ".weight"), bias: tensor(name + ".bias"))
        case .residual(let branch, let shortcut):
            return try (run(branch, input) + run(shortcut, input)).reluInPlace()
        case .subsample(let stride, let channels): return try subsample(input, stride: stride, channels: channels)
        case .tokens(let first, let places, _, let width):
            let tokens = try input.reshaped([input.shape[0], width, -1]).permuted([0, 2, 1])
            let all = try tensor(first).expanded([input.shape[0], 1, width])
            return try Tensor.concatenated([all, tokens], 1) + tensor(places)
        case .layerNorm(let name, _):
            return try input.layerNorm(
                gain: tensor(name + ".weight"), bias: tensor(name + ".bias"), epsilon: Self.layerNormEpsilon)
        case .attention(let it): return try attention(it, input)
        case .gelu: return try input.gelu()
        case .sum(let branch): return try run(branch, input) + input
        case .firstToken: return try input.selected(1, 0)
        }
    }

    private func subsample(_ input: Tensor, stride: Int, channels: Int) throws -> Tensor {
        // Windows of one pixel are the pixels.
        let kept = try input.maxPool2d(size: 1, stride: stride)
        let missing = channels - kept.shape[1]
        func zeros(_ count: Int) throws -> Tensor {
            try .zeros([kept.shape[0], count, kept.shape[2], kept.shape[3]], device: kept.device).channelsLast()
        }
        return try .concatenated([zeros(missing / 2), kept, zeros(missing - missing / 2)], 1)
    }

    private func attention(_ it: ClassifierArchitecture.Attention, _ input: Tensor) throws -> Tensor {
        let (batch, count, size) = (input.shape[0], input.shape[1], it.width / it.heads)
        let parts = try input.linear(tensor(it.inputs + "weight"), bias: tensor(it.inputs + "bias"))
            .reshaped([batch, count, 3, it.heads, size]).permuted([2, 0, 3, 1, 4])
        let seen = try Tensor.attention(
            queries: parts.selected(0, 0), keys: parts.selected(0, 1), values: parts.selected(0, 2),
            scale: 1 / Double(size).squareRoot())
        return try seen.permuted([0, 2, 1, 3]).reshaped([batch, count, it.width])
            .linear(tensor(it.outputs + ".weight"), bias: tensor(it.outputs + ".bias"))
    }

    private mutating func batchNorm(_ name: String, _ input: Tensor) throws -> Tensor {
        let (gain, bias) = try (tensor(name + ".weight"), tensor(name + ".bias"))
        let (mean, variance) = try (tensor(name + ".running_mean"), tensor(name + ".running_var"))
        guard let momentum else {
            return try input.batchNorm(gain: gain, bias: bias, mean: mean, variance: variance, epsilon: Self.epsilon)
        }
        let result = try input.batchNormTraining(
            gain: gain, bias: bias, mean: mean, variance: variance, momentum: momentum, epsilon: Self.epsilon)
        averages[name + ".running_mean"] = result.mean
        averages[name + ".running_var"] = result.variance
        return result.output
    }

    private func tensor(_ name: String) throws -> Tensor {
        guard let tensor = tensors[name] else {
            throw ModelError(.badWeights, "a tensor of the architecture is missing", subject: name)
        }
        return tensor
    }
}

extension ClassifierArchitecture {
    /// The scores `[batch, classes]` of images `[batch, channels, height, width]` with values in 0...255, from tensors
    /// under their names.
    ///
    /// Throws ``ModelError`` with code `outOfRange` for images that this network does not take.
    public func scores(of pixels: Tensor, with tensors: [String: Tensor]) throws -> Tensor {
        var forward = ClassifierForward(tensors)
        return try forward.run(layers, normalized(pixels))
    }

    /// The scores in training: batch norms by the batch's own statistics, dropout from `random`; and the averages of
    /// the batch norms after this batch, under their names.
    public func trainingScores(of pixels: Tensor, with tensors: [String: Tensor], random: RandomSource) throws -> (
        scores: Tensor, averages: [String: Tensor]
    ) {
        var forward = ClassifierForward(tensors, random: random, momentum: ClassifierForward.momentum)
        let scores = try forward.run(layers, normalized(pixels))
        return (scores, forward.averages)
    }

    /// The running averages of the batch norms, under their names, moved by `momentum`, 0...1, to the statistics of these
    /// images `[batch, channels, height, width]`, which are normalised by these.
    ///
    /// Throws ``ModelError`` with code `outOfRange` for images that this network does not take.
    public func averages(after pixels: Tensor, with tensors: [String: Tensor], momentum: Double) throws -> [String:
        Tensor]
    {
        var forward = ClassifierForward(tensors, momentum: momentum)
        _ = try forward.run(layers, normalized(pixels))
        return forward.averages
    }

    /// What the first layer sees: `(pixel / 255 - mean) / deviation`.
    func normalized(_ pixels: Tensor) throws -> Tensor {
        try check(pixels)
        let factors = try Tensor(deviation.map { Float(1 / (255 * $0)) }, shape: [1, channels, 1, 1])
        let offsets = try Tensor(zip(mean, deviation).map { Float(-$0 / $1) }, shape: [1, channels, 1, 1])
        return try pixels.channelsLast().to(.float32) * factors.to(pixels.device) + offsets.to(pixels.device)
    }

    private func check(_ pixels: Tensor) throws {
        guard pixels.rank == 4, pixels.shape[0] > 0 else {
            throw ModelError(
                .outOfRange, "these are no images", expected: "[batch, channels, height, width]",
                found: "\(pixels.shape)")
        }
        guard pixels.shape[1] == channels else {
            throw ModelError(
                .outOfRange, "the images have another number of channels than the classifier takes",
                expected: "\(channels)", found: "\(pixels.shape[1])")
        }
        if let size = onlySize, pixels.shape[2...] != [size, size] {
            throw ModelError(
                .outOfRange, "the images have another size than this classifier takes", expected: "\(size) x \(size)",
                found: "\(pixels.shape[2]) x \(pixels.shape[3])")
        }
        guard min(pixels.shape[2], pixels.shape[3]) >= smallestSize else {
            throw ModelError(
                .outOfRange, "the images are too small for this classifier",
                expected: "at least \(smallestSize) x \(smallestSize)",
                found: "\(pixels.shape[2]) x \(pixels.shape[3])")
        }
    }
}
