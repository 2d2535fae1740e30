/// Residual networks for images of 32x32 (He et al. 2015, arXiv 1512.03385, section 4.2), with shortcuts that have no
/// weights (its option A).
///
/// A 3x3 convolution, three stages of `blocks` blocks of two 3x3 convolutions, the mean over the image and a linear layer:
/// 6 `blocks` + 2 layers with weights. Names are those of the public weights: `conv1`, `layer1.0.conv1`, `linear`.
public struct CIFARResNet: Sendable, Equatable {
    /// The number of blocks in each stage; the stages after the first halve the image and double the width.
    public var blocks: Int
    /// The channels of the first stage.
    public var width: Int
    /// Whether a batch norm follows each convolution; without, the convolutions have biases.
    public var hasBatchNorm: Bool

    /// Three stages of so many blocks with `width`, 2 `width` and 4 `width` channels.
    public init(blocks: Int, width: Int = 16, hasBatchNorm: Bool = true) {
        self.hasBatchNorm = hasBatchNorm
        self.blocks = blocks
        self.width = width
    }

    /// The layers with weights: 20 for three blocks in each stage.
    public var depth: Int { 6 * blocks + 2 }

    /// How deep those of the paper are.
    static let publishedDepths = [20, 32, 44, 56, 110]

    func layers(channels: Int, classes: Int) -> [ClassifierArchitecture.Layer] {
        var layers = normalised(.init(name: "conv1", inputs: channels, outputs: width), "bn1") + [.relu]
        for stage in 0..<3 {
            for index in 0..<blocks {
                layers.append(
                    residual("layer\(stage + 1).\(index)", width: width << stage, isFirst: stage > 0 && index == 0))
            }
        }
        return layers + [.averagePool(1), .flatten, .linear("linear", inputs: 4 * width, outputs: classes)]
    }

    /// One block; the first of a stage reads half of its channels from an image twice as high and wide.
    private func residual(_ name: String, width: Int, isFirst: Bool) -> ClassifierArchitecture.Layer {
        .residual(
            branch: normalised(
                .init(
                    name: "\(name).conv1", inputs: isFirst ? width / 2 : width, outputs: width, stride: isFirst ? 2 : 1),
                "\(name).bn1") + [.relu]
                + normalised(.init(name: "\(name).conv2", inputs: width, outputs: width), "\(name).bn2"),
            shortcut: isFirst ? [.subsample(stride: 2, channels: width)] : [])
    }

    /// A convolution and its norm, or one with a bias.
    private func normalised(
        _ convolution: ClassifierArchitecture.Convolution, _ norm: String
    ) -> [ClassifierArchitecture.Layer] {
        convolution.layers(norm: hasBatchNorm ? norm : nil)
    }
}
