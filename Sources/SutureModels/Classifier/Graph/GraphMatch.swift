import SutureFormats
import SutureTensor

/// Holds the steps of a graph against the layers of a network, from the scores back to the image, and gives each tensor
/// of the network the numbers that stand in its place.
struct GraphMatch {
    private var steps: [GraphStep]
    private(set) var tensors: [String: Tensor] = [:]

    init(_ steps: [GraphStep]) { self.steps = steps }

    /// Throws ``ModelError`` with code `unsupported`, naming the node, where the graph computes something else.
    mutating func match(_ layers: [ClassifierArchitecture.Layer], _ scores: Int) throws {
        let first = try walk(layers, scores)
        guard case .image = steps[first].kind else { throw other(first, "the image, before the first layer") }
    }

    /// The step whose result the layers read, if their result is that of `step`.
    private mutating func walk(_ layers: [ClassifierArchitecture.Layer], _ step: Int) throws -> Int {
        var step = step
        for layer in layers.reversed() { step = try self.step(layer, step) }
        return step
    }

    private mutating func step(_ layer: ClassifierArchitecture.Layer, _ step: Int) throws -> Int {
        switch (layer, steps[step].kind) {
        case (.flatten, _), (.dropout, _): return step
        case (.convolution(let it), .convolution(let base, let weight, let bias, let stride, let padding))
        where stride == it.stride && padding == it.padding:
            let shape = [it.outputs, it.inputs, it.size, it.size]
            try keep(it.name + ".weight", weight, shape, step)
            if it.hasBias {
                try keep(it.name + ".bias", bias ?? .zeros(it.outputs), [it.outputs], step)
            } else if bias?.floats?.allSatisfy({ $0 == 0 }) == false {
                throw other(step, "a convolution without a bias (\(it.name))")
            }
            return base
        case (.convolution(let it), .batchNorm(let base, let parts)) where it.hasBias:
            return try self.step(layer, folded(base, parts, step))
        case (.batchNorm(let name, let channels), .batchNorm(let base, let parts)):
            for (part, values) in zip(["weight", "bias", "running_mean", "running_var"], parts) {
                try keep("\(name).\(part)", values, [channels], step)
            }
            return base
        case (.relu, .relu(let base)): return base
        case (.maxPool(let size, let stride, let padding), .maxPool(let base, let found, let step, let pads))
        where (found, step, pads) == (size, stride, padding): return base
        case (.averagePool(let size), .averagePool(let base)) where steps[step].shape[2...] == [size, size]: return base
        // An exporter leaves out what does nothing to images of this size.
        case (.averagePool(let size), _) where steps[step].shape.count == 4 && steps[step].shape[2...] == [size, size]:
            return step
        case (.linear(let name, let inputs, let outputs), .linear(let base, let weight, let isTransposed, let bias)):
            try keep(name + ".weight", isTransposed ? transposed(weight) : weight, [outputs, inputs], step)
            try keep(name + ".bias", bias ?? .zeros(outputs), [outputs], step)
            return base
        case (.residual(let branch, let shortcut), .relu(let base)):
            guard case .sum(let first, let second) = steps[base].kind else { throw other(base, "a sum") }
            return try sum(branch, shortcut, first, second)
        case (.sum(let branch), .sum(let first, let second)): return try sum(branch, [], first, second)
        case (.subsample(let stride, let channels), .subsample(let base, let step, let count))
        where (step, count) == (stride, channels): return base
        case (.tokens(let name, let placeName, let count, let width), .tokens(let base, let first, let places)):
            try keep(name, first, [1, 1, width], step)
            try keep(placeName, places, [1, count, width], step)
            return base
        case (.layerNorm(let name, let width), .layerNorm(let base, let gain, let shift)):
            try keep(name + ".weight", gain, [width], step)
            try keep(name + ".bias", shift, [width], step)
            return base
        case (.attention(let it), .linear(let seen, let weight, let isTransposed, let bias)):
            return try attention(it, seen, isTransposed ? transposed(weight) : weight, bias, step)
        case (.gelu, .pointwise(let base, let function, _)) where GraphReading.agree(function, GraphReading.gelu):
            return base
        case (.firstToken, .firstToken(let base)): return base
        default: throw other(step, layer.title)
        }
    }

    /// The step that both read; the branch may be the first of the two, or the second.
    private mutating func sum(
        _ branch: [ClassifierArchitecture.Layer], _ shortcut: [ClassifierArchitecture.Layer], _ first: Int,
        _ second: Int
    ) throws -> Int {
        // A shortcut of no layers is what was there earlier.
        let isFirst = shortcut.isEmpty ? first > second : isLike(branch, first) || !isLike(branch, second)
        let (start, other) = isFirst ? (first, second) : (second, first)
        let (from, beside) = (try walk(branch, start), try walk(shortcut, other))
        guard from == beside else {
            throw self.other(other, "a shortcut from \(steps[from].title) (\(steps[from].subject))")
        }
        return from
    }

    /// Whether a branch may end at this step; a shortcut with weights has other layers, or fewer.
    private func isLike(_ branch: [ClassifierArchitecture.Layer], _ step: Int) -> Bool {
        var trial = self
        return (try? trial.walk(branch, step)) != nil
    }

    private mutating func attention(
        _ it: ClassifierArchitecture.Attention, _ step: Int, _ weight: GraphConstant, _ bias: GraphConstant?,
        _ last: Int
    ) throws -> Int {
        guard case .attention(let inputs, it.heads) = steps[step].kind else {
            throw other(step, "attention with \(it.heads) heads")
        }
        try keep(it.outputs + ".weight", weight, [it.width, it.width], last)
        try keep(it.outputs + ".bias", bias ?? .zeros(it.width), [it.width], last)
        // One matrix for all three, or three one below the other.
        var (weights, biases): ([Float], [Float]) = ([], [])
        var bases: Set<Int> = []
        for input in inputs.count == 3 && Set(inputs).count == 1 ? [inputs[0]] : inputs {
            guard case .linear(let base, let weight, let isTransposed, let bias) = steps[input].kind,
                let rows = (isTransposed ? transposed(weight) : weight).floats,
                case let outputs = steps[input].shape[2], let added = (bias ?? .zeros(outputs)).floats
            else { throw other(input, "the queries, keys and values of attention") }
            weights += rows
            biases += added
            bases.insert(base)
        }
        guard bases.count == 1, let base = bases.first else {
            throw other(step, "attention whose queries, keys and values are of the same tokens")
        }
        let rows = 3 * it.width
        try keep(
            it.inputs + "weight", GraphConstant([rows, weights.count / rows], floats: weights), [rows, it.width], last)
        try keep(it.inputs + "bias", GraphConstant([biases.count], floats: biases), [rows], last)
        return base
    }

    /// A step that does what a convolution and the norm after it do, with the weight `w g / sqrt(v + e)` and the bias
    /// `(b - m) g / sqrt(v + e) + s`.
    private mutating func folded(_ step: Int, _ norm: [GraphConstant], _ last: Int) throws -> Int {
        let parts = norm.compactMap { $0.floats?.map(Double.init) }
        guard case .convolution(let base, let weight, let bias, let stride, let padding) = steps[step].kind,
            let numbers = weight.floats, let added = (bias ?? .zeros(weight.shape[0])).floats, parts.count == 4,
            parts.allSatisfy({ $0.count == added.count })
        else { throw other(step, "a convolution before the norm") }
        let (gain, shift, mean, variance) = (parts[0], parts[1], parts[2], parts[3])
        let factors = zip(gain, variance).map { $0 / ($1 + ClassifierForward.epsilon).squareRoot() }
        let each = numbers.count / max(1, factors.count)
        let kind = GraphStep.Kind.convolution(
            base,
            weight: GraphConstant(
                weight.shape, floats: numbers.indices.map { Float(Double(numbers[$0]) * factors[$0 / each]) }),
            bias: GraphConstant(
                [added.count],
                floats: added.indices.map { Float((Double(added[$0]) - mean[$0]) * factors[$0] + shift[$0]) }),
            stride: stride, padding: padding)
        steps.append(GraphStep(kind: kind, shape: steps[last].shape, subject: steps[last].subject))
        return steps.count - 1
    }

    private func transposed(_ weight: GraphConstant) -> GraphConstant {
        GraphMovement.transposing(weight.shape, [1, 0]).map(weight.moved) ?? weight
    }

    private mutating func keep(_ name: String, _ values: GraphConstant, _ shape: [Int], _ step: Int) throws {
        guard values.shape == shape, let numbers = values.floats else {
            throw ModelError(
                .unsupported, "the numbers of \(steps[step].title) have another shape than \(name)",
                subject: steps[step].subject, expected: "float32 \(shape)", found: "\(values.shape)")
        }
        tensors[name] = try Tensor(numbers, shape: shape)
    }

    private func other(_ step: Int, _ expected: String) -> ModelError {
        ModelError(
            .unsupported, "here the graph leaves the network that it seemed to be", subject: steps[step].subject,
            expected: expected, found: steps[step].title)
    }
}

extension GraphConstant {
    fileprivate static func zeros(_ count: Int) -> GraphConstant {
        GraphConstant([count], floats: Array(repeating: 0, count: count))
    }
}

extension ClassifierArchitecture.Layer {
    /// What messages call it.
    fileprivate var title: String {
        switch self {
        case .convolution(let it):
            "a convolution of \(it.size)x\(it.size) by \(it.stride), with \(it.padding) around (\(it.name))"
        case .batchNorm(let name, _): "a batch norm (\(name))"
        case .relu: "a ReLU"
        case .maxPool(let size, let stride, _): "a max pool of \(size) by \(stride)"
        case .averagePool(let size): "an average pool to \(size)x\(size)"
        case .flatten, .dropout: "nothing"
        case .linear(let name, _, _): "a linear layer (\(name))"
        case .residual: "a ReLU of a sum"
        case .subsample: "a shortcut without weights"
        case .tokens: "tokens"
        case .layerNorm(let name, _): "a layer norm (\(name))"
        case .attention(let it): "the linear layer after attention (\(it.outputs))"
        case .gelu: "GELU"
        case .sum: "a sum"
        case .firstToken: "the first token"
        }
    }
}
