/// What a name of a graph stands for while the graph is read.
enum GraphValue {
    case constant(GraphConstant)
    case activation(Activation)

    /// How many elements it takes memory for.
    var followedCount: Int {
        switch self {
        case .constant(let value): value.isStored ? 0 : value.count
        case .activation(let value): value.order?.count ?? 0
        }
    }
}

/// What a step gave, perhaps in another shape and order.
struct Activation {
    var step: Int
    var shape: [Int]
    /// For each element, its place in what the step gave, or -1 for zero; nil for the order of the step.
    var order: [Int32]?
}

/// A step of a network as the graph has it, which reads what earlier steps gave.
struct GraphStep {
    enum Kind {
        case image
        case convolution(Int, weight: GraphConstant, bias: GraphConstant?, stride: Int, padding: Int)
        /// With gain, shift, mean and variance.
        case batchNorm(Int, [GraphConstant])
        case relu(Int)
        case maxPool(Int, size: Int, stride: Int, padding: Int)
        /// Means over windows that tile the image.
        case averagePool(Int)
        case subsample(Int, stride: Int, channels: Int)
        /// Its weight is `[outputs, inputs]`, or the other way where `isTransposed` says so.
        case linear(Int, weight: GraphConstant, isTransposed: Bool, bias: GraphConstant?)
        case sum(Int, Int)
        /// One token before those that a convolution gave.
        case afterFirst(Int, GraphConstant)
        case tokens(Int, first: GraphConstant, places: GraphConstant)
        case layerNorm(Int, gain: GraphConstant, shift: GraphConstant)
        /// Of queries, keys and values: three linear steps, or one that gives all three.
        case attention([Int], heads: Int)
        case firstToken(Int)
        /// A function of each element, of so many operators.
        case pointwise(Int, @Sendable (Double) -> Double, operators: Int)

        // Parts of a norm, and of attention.
        case rowMean(Int)
        case centred(Int)
        case rowVariance(Int)
        case normalised(Int)
        case gained(Int, GraphConstant)
        case scores(queries: Int, keys: Int, heads: Int, size: Int, factor: Double)
        case softmax(queries: Int, keys: Int, heads: Int)
    }

    let kind: Kind
    let shape: [Int]
    /// The node that gave it, for messages.
    let subject: String

    /// What it is, for messages.
    var title: String {
        switch kind {
        case .image: "the image"
        case .convolution: "a convolution"
        case .batchNorm: "a batch norm"
        case .relu: "a ReLU"
        case .maxPool(_, let size, let stride, _): "a max pool of \(size) by \(stride)"
        case .averagePool: "an average pool"
        case .subsample: "a shortcut without weights"
        case .linear: "a linear layer"
        case .sum: "a sum"
        case .tokens, .afterFirst: "tokens"
        case .layerNorm: "a layer norm"
        case .attention: "attention"
        case .firstToken: "the first token"
        case .pointwise: "a function of each element"
        case .rowMean, .centred, .rowVariance, .normalised, .gained: "a part of a layer norm"
        case .scores, .softmax: "a part of attention"
        }
    }
}
