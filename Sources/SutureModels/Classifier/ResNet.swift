/// Residual networks (He et al. 2015, arXiv 1512.03385), with torchvision's names and its place for the stride of a
/// bottleneck, the 3x3 convolution.
public struct ResNet: Sendable, Equatable {
    /// What a block is made of.
    public enum Block: String, Sendable, CaseIterable {
        /// Two 3x3 convolutions.
        case basic
        /// 1x1, 3x3 and 1x1, four times as wide at the end.
        case bottleneck

        var expansion: Int { self == .basic ? 1 : 4 }
    }

    /// How an image enters.
    public enum Stem: String, Sendable, CaseIterable {
        /// A 3x3 convolution that keeps the size.
        case cifar
        /// A 7x7 convolution and a max pool: a quarter of height and width is left.
        case imagenet
    }

    public var block: Block
    /// The number of blocks in each stage; the stages after the first halve the image and double the width.
    public var depths: [Int]
    /// The channels of the stem and of the 3x3 convolutions of the first stage.
    public var width: Int
    public var stem: Stem
    /// Whether a batch norm follows each convolution; without, the convolutions have biases.
    public var hasBatchNorm: Bool

    /// Four stages of so many blocks, of which the first has `width` channels and each next one twice as many.
    public init(block: Block, depths: [Int], width: Int, stem: Stem, hasBatchNorm: Bool = true) {
        self.hasBatchNorm = hasBatchNorm
        self.block = block
        self.depths = depths
        self.width = width
        self.stem = stem
    }

    func layers(channels: Int, classes: Int) -> [ClassifierArchitecture.Layer] {
        var layers = stemLayers(channels)
        var inputs = width
        for (stage, depth) in depths.enumerated() {
            for index in 0..<depth {
                layers.append(
                    residual(
                        "layer\(stage + 1).\(index)", from: inputs, width: width << stage,
                        stride: stage > 0 && index == 0 ? 2 : 1))
                inputs = (width << stage) * block.expansion
            }
        }
        return layers + [.averagePool(1), .flatten, .linear("fc", inputs: inputs, outputs: classes)]
    }

    private func stemLayers(_ channels: Int) -> [ClassifierArchitecture.Layer] {
        func convolution(size: Int, stride: Int) -> [ClassifierArchitecture.Layer] {
            normalised(
                .init(
                    name: "conv1", inputs: channels, outputs: width, size: size, stride: stride, padding: size / 2),
                "bn1") + [.relu]
        }
        switch stem {
        case .cifar: return convolution(size: 3, stride: 1)
        case .imagenet: return convolution(size: 7, stride: 2) + [.maxPool(size: 3, stride: 2, padding: 1)]
        }
    }

    /// A convolution and its norm, or one with a bias.
    private func normalised(
        _ convolution: ClassifierArchitecture.Convolution, _ norm: String
    ) -> [ClassifierArchitecture.Layer] {
        convolution.layers(norm: hasBatchNorm ? norm : nil)
    }

    private func residual(_ name: String, from inputs: Int, width: Int, stride: Int) -> ClassifierArchitecture.Layer {
        let outputs = width * block.expansion
        // Size, stride and channels of each convolution.
        let steps =
            switch block {
            case .basic: [(3, stride, width), (3, 1, width)]
            case .bottleneck: [(1, 1, width), (3, stride, width), (1, 1, outputs)]
            }
        var branch: [ClassifierArchitecture.Layer] = []
        var channels = inputs
        for (index, (size, stride, width)) in steps.enumerated() {
            if index > 0 { branch.append(.relu) }
            branch += normalised(
                .init(
                    name: "\(name).conv\(index + 1)", inputs: channels, outputs: width, size: size, stride: stride,
                    padding: size / 2), "\(name).bn\(index + 1)")
            channels = width
        }
        let isSame = stride == 1 && inputs == outputs
        let shortcut = normalised(
            .init(name: "\(name).downsample.0", inputs: inputs, outputs: outputs, size: 1, stride: stride, padding: 0),
            "\(name).downsample.1")
        return .residual(branch: branch, shortcut: isSame ? [] : shortcut)
    }
}
