extension ClassifierArchitecture {
    /// What a pass is for.
    package enum Pass {
        case evaluation
        /// What every layer gave is kept for the gradients.
        case training
    }

    /// About how many bytes a pass of so many images of this size takes, besides the weights: what was measured lies
    /// between half of it and a tenth more.
    package func bytes(of pass: Pass, images: Int, height: Int, width: Int) -> Double {
        let input = Extent(channels: Double(channels), height: Double(height), width: Double(width))
        var walk = Walk()
        _ = walk.run(layers, input)
        // The pixels as numbers and normalised; a layer at work, which may lay out anew what it reads and gives.
        let evaluation = 2 * input.count + 2 * walk.largest
        // Of a training, memory that was left and does not fit what comes next, too.
        let numbers = pass == .evaluation ? evaluation : 1.4 * (evaluation + walk.all)
        return 4 * Double(images) * numbers
    }

    /// How many bytes the weights take; in a training their gradients and momentum, too.
    package func weightBytes(of pass: Pass) -> Double {
        let numbers = tensors.reduce(0.0) { $0 + $1.shape.reduce(1.0) { $0 * Double($1) } }
        return numbers * 4 * (pass == .training ? 3 : 1)
    }
}

/// What a layer gives for one image.
private struct Extent {
    var channels, height, width: Double
    var count: Double { channels * height * width }

    /// After windows of this size.
    func sliding(size: Int, stride: Int, padding: Int, channels: Double) -> Extent {
        func side(_ length: Double) -> Double {
            max(0, ((length + Double(2 * padding - size)) / Double(stride)).rounded(.down)) + 1
        }
        return Extent(channels: channels, height: side(height), width: side(width))
    }
}

/// The numbers that layers give for one image.
private struct Walk {
    /// The most that a layer reads and gives, with what waits for it meanwhile.
    private(set) var largest = 0.0
    /// What is kept of all of them for gradients.
    private(set) var all = 0.0
    /// What waits for the end of a branch.
    private var waiting = 0.0

    mutating func run(_ layers: [ClassifierArchitecture.Layer], _ input: Extent) -> Extent {
        layers.reduce(input) { step($1, $0) }
    }

    private mutating func step(_ layer: ClassifierArchitecture.Layer, _ input: Extent) -> Extent {
        switch layer {
        case .convolution(let it):
            return gives(
                input.sliding(
                    size: it.size, stride: it.stride, padding: it.padding, channels: Double(it.outputs)), of: input)
        case .batchNorm: return gives(input, of: input)
        // In place, or a view.
        case .relu: return input
        case .flatten: return Extent(channels: input.count, height: 1, width: 1)
        case .maxPool(let size, let stride, let padding):
            // With the places of the largest, eight bytes each.
            return gives(
                input.sliding(size: size, stride: stride, padding: padding, channels: input.channels), of: input,
                times: 3)
        case .subsample(let stride, let channels):
            // A pooling, and what it gave among zeros.
            return gives(
                input.sliding(size: 1, stride: stride, padding: 0, channels: Double(channels)), of: input, times: 3)
        case .averagePool(let size):
            return gives(Extent(channels: input.channels, height: Double(size), width: Double(size)), of: input)
        case .dropout: return gives(input, of: input, times: 2)
        case .linear(_, _, let outputs):
            // Of tokens, each gives so many.
            return gives(Extent(channels: Double(outputs), height: input.height, width: input.width), of: input)
        case .residual(let branch, let shortcut):
            waiting += input.count
            let output = run(branch, input)
            waiting += output.count - input.count
            _ = run(shortcut, input)
            waiting -= output.count
            return gives(output, of: output)
        case .tokens(_, _, let count, let width):
            return gives(Extent(channels: Double(width), height: Double(count), width: 1), of: input, times: 2)
        case .layerNorm, .gelu: return gives(input, of: input)
        // Queries, keys and values, what they come to, and the scores of a head at a time.
        case .attention: return gives(input, of: input, times: 6)
        case .sum(let branch):
            waiting += input.count
            let output = run(branch, input)
            waiting -= input.count
            return gives(output, of: output)
        case .firstToken: return Extent(channels: input.channels, height: 1, width: 1)
        }
    }

    private mutating func gives(_ output: Extent, of input: Extent, times: Double = 1) -> Extent {
        all += output.count * times
        largest = max(largest, input.count + output.count * times + waiting)
        return output
    }
}
