/// An image classifier as data: what one forward loop needs to know to run any of the supported families.
///
/// A family is a description of a few numbers (``VGG``, ``ResNet``, ``CIFARResNet``, ``ViT``) that unfolds into ``layers``;
/// the configuration's `model_type` decides which, never a model's name. Tensors have torchvision's names where it has the
/// network.
public struct ClassifierArchitecture: Sendable, Equatable {
    /// The families of networks.
    public enum Network: Sendable, Equatable {
        case vgg(VGG)
        case resnet(ResNet)
        case cifarResNet(CIFARResNet)
        case vit(ViT)
    }

    public var network: Network
    /// 1 for grey images, 3 for red, green and blue.
    public var channels: Int
    /// The names of the classes, in the order of the scores.
    public var classes: [String]
    /// The mean of each channel, of pixels in 0...1: the network sees `(pixel / 255 - mean) / deviation`.
    public var mean: [Double]
    /// The standard deviation of each channel, likewise.
    public var deviation: [Double]
    /// How the images were prepared that it was trained on; nil where its files do not say.
    public var fit: ImageFit?

    /// A network for images of so many channels, and what its inputs are normalised by, one number for each channel.
    public init(_ network: Network, channels: Int, classes: [String], mean: [Double]? = nil, deviation: [Double]? = nil)
    {
        self.network = network
        self.channels = channels
        self.classes = classes
        self.mean = mean ?? Array(repeating: 0.5, count: channels)
        self.deviation = deviation ?? Array(repeating: 0.25, count: channels)
    }

    /// What `config.json` calls the family.
    public var family: String {
        switch network {
        case .vgg: "vgg"
        case .resnet: "resnet"
        case .cifarResNet: "cifar_resnet"
        case .vit: "vit"
        }
    }

    /// The network, layer by layer.
    public var layers: [Layer] {
        switch network {
        case .vgg(let vgg): vgg.layers(channels: channels, classes: classes.count)
        case .resnet(let resnet): resnet.layers(channels: channels, classes: classes.count)
        case .cifarResNet(let resnet): resnet.layers(channels: channels, classes: classes.count)
        case .vit(let vit): vit.layers(channels: channels, classes: classes.count)
        }
    }

    /// All tensors that a checkpoint must have, in the order in which an image meets them.
    public var tensors: [TensorRole] { layers.flatMap(\.tensors) }

    /// The name of the layer that gives the scores, which alone depends on the classes.
    public var head: String {
        switch network {
        case .vgg(let vgg): vgg.head
        case .resnet: "fc"
        case .cifarResNet: "linear"
        case .vit(let vit): vit.head
        }
    }

    /// The only height and width of an image that the network takes; nil where it takes many.
    public var onlySize: Int? { if case .vit(let vit) = network { vit.image } else { nil } }

    /// The smallest height and width of an image that every pooling leaves something of.
    public var smallestSize: Int {
        layers.reduce(1) { size, layer in
            if case .maxPool(_, let stride, 0) = layer { size * stride } else { size }
        }
    }

    /// One step of a network, with the names of its tensors.
    public indirect enum Layer: Sendable, Equatable {
        case convolution(Convolution)
        /// Normalisation of each of so many channels.
        case batchNorm(String, Int)
        case relu
        case maxPool(size: Int, stride: Int, padding: Int)
        /// Means over size x size windows that cover the image, whatever its size.
        case averagePool(Int)
        case flatten
        /// In training only.
        case dropout(Double)
        case linear(String, inputs: Int, outputs: Int)
        /// relu(branch(x) + shortcut(x)); an empty shortcut is x itself.
        case residual(branch: [Layer], shortcut: [Layer])
        /// x[:, :, ::stride, ::stride], between channels of zeros that make them so many, as many before as after.
        case subsample(stride: Int, channels: Int)
        /// The pixels of `[batch, width, rows, columns]` as tokens `[batch, count, width]`, one more before them, and what
        /// is learned of each place added.
        case tokens(first: String, places: String, count: Int, width: Int)
        /// Normalisation of each token.
        case layerNorm(String, Int)
        case attention(Attention)
        case gelu
        /// x + branch(x).
        case sum([Layer])
        case firstToken
    }

    /// Self-attention of all tokens.
    public struct Attention: Sendable, Equatable {
        /// What the names of the weight and the bias of queries, keys and values, one matrix, begin with.
        public var inputs: String
        /// The name of the layer after it.
        public var outputs: String
        public var heads: Int
        public var width: Int
    }

    /// A square convolution.
    public struct Convolution: Sendable, Equatable {
        public var name: String
        public var inputs: Int
        public var outputs: Int
        public var size = 3
        public var stride = 1
        public var padding = 1
        public var hasBias = false

        /// It and its norm, or, where it has none, itself with a bias.
        func layers(norm: String?) -> [Layer] {
            var convolution = self
            convolution.hasBias = norm == nil
            return [.convolution(convolution)] + (norm.map { [.batchNorm($0, outputs)] } ?? [])
        }
    }

    /// A tensor of a checkpoint and what it is for.
    public struct TensorRole: Sendable, Equatable {
        /// What a tensor is for.
        public enum Kind: Sendable {
            case convolution, linear
            /// What is added after a convolution, and after a linear layer.
            case convolutionBias, linearBias
            /// Factor and summand of a batch norm.
            case gain, shift
            /// Running averages of a batch norm, which no gradient changes.
            case mean, variance
            /// What is learned for a token or a place.
            case token
        }

        public let name: String
        public let shape: [Int]
        public let kind: Kind

        /// Whether training changes it by its gradient.
        public var isParameter: Bool { kind != .mean && kind != .variance }
    }
}

extension ClassifierArchitecture.Layer {
    /// The layer's tensors.
    var tensors: [ClassifierArchitecture.TensorRole] {
        typealias Role = ClassifierArchitecture.TensorRole
        switch self {
        case .convolution(let it):
            let weight = Role(
                name: it.name + ".weight", shape: [it.outputs, it.inputs, it.size, it.size], kind: .convolution)
            return it.hasBias
                ? [weight, Role(name: it.name + ".bias", shape: [it.outputs], kind: .convolutionBias)] : [weight]
        case .batchNorm(let name, let channels):
            let parts: [(String, Role.Kind)] = [
                ("weight", .gain), ("bias", .shift), ("running_mean", .mean), ("running_var", .variance)
            ]
            return parts.map { Role(name: "\(name).\($0)", shape: [channels], kind: $1) }
        case .linear(let name, let inputs, let outputs):
            return [
                Role(name: name + ".weight", shape: [outputs, inputs], kind: .linear),
                Role(name: name + ".bias", shape: [outputs], kind: .linearBias)
            ]
        case .residual(let branch, let shortcut): return (branch + shortcut).flatMap(\.tensors)
        case .tokens(let first, let places, let count, let width):
            return [
                Role(name: first, shape: [1, 1, width], kind: .token),
                Role(name: places, shape: [1, count, width], kind: .token)
            ]
        case .layerNorm(let name, let width):
            return [
                Role(name: name + ".weight", shape: [width], kind: .gain),
                Role(name: name + ".bias", shape: [width], kind: .shift)
            ]
        case .attention(let it):
            return [
                Role(name: it.inputs + "weight", shape: [3 * it.width, it.width], kind: .linear),
                Role(name: it.inputs + "bias", shape: [3 * it.width], kind: .linearBias),
                Role(name: it.outputs + ".weight", shape: [it.width, it.width], kind: .linear),
                Role(name: it.outputs + ".bias", shape: [it.width], kind: .linearBias)
            ]
        case .sum(let branch): return branch.flatMap(\.tensors)
        case .relu, .gelu, .firstToken, .subsample, .maxPool, .averagePool, .flatten, .dropout: return []
        }
    }
}
