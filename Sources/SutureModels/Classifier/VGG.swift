/// Plain stacks of 3x3 convolutions and max pools (Simonyan & Zisserman 2015, arXiv 1409.1556).
///
/// Names are torchvision's: `features.N` counts convolutions, norms, activations and pools; the scores come from
/// `classifier.6` where there are two hidden layers, and from `classifier` where there is none, as is usual for CIFAR.
public struct VGG: Sendable, Equatable {
    /// The channels after each convolution, stage by stage; a max pool that halves the image ends each stage.
    public var stages: [[Int]]
    public var hasBatchNorm: Bool
    /// What is left of height and width before the classifier: 7 in torchvision, 1 for CIFAR.
    public var pool: Int
    /// The widths of the classifier's hidden layers, each with dropout.
    public var hidden: [Int]
    public var dropout: Double

    /// Stages of convolutions with so many channels, a pooling to `pool x pool`, and two hidden layers of `hidden`
    /// units.
    public init(stages: [[Int]], hasBatchNorm: Bool, pool: Int, hidden: [Int], dropout: Double = 0.5) {
        self.stages = stages
        self.hasBatchNorm = hasBatchNorm
        self.pool = pool
        self.hidden = hidden
        self.dropout = dropout
    }

    var head: String { hidden.isEmpty ? "classifier" : "classifier.\(3 * hidden.count)" }

    func layers(channels: Int, classes: Int) -> [ClassifierArchitecture.Layer] {
        var layers: [ClassifierArchitecture.Layer] = []
        var width = channels
        for stage in stages {
            for outputs in stage {
                layers.append(
                    .convolution(
                        .init(name: "features.\(layers.count)", inputs: width, outputs: outputs, hasBias: true)))
                if hasBatchNorm { layers.append(.batchNorm("features.\(layers.count)", outputs)) }
                layers.append(.relu)
                width = outputs
            }
            layers.append(.maxPool(size: 2, stride: 2, padding: 0))
        }
        layers += [.averagePool(pool), .flatten]
        width *= pool * pool
        for (index, outputs) in hidden.enumerated() {
            layers += [
                .linear("classifier.\(3 * index)", inputs: width, outputs: outputs), .relu, .dropout(dropout)
            ]
            width = outputs
        }
        return layers + [.linear(head, inputs: width, outputs: classes)]
    }
}
