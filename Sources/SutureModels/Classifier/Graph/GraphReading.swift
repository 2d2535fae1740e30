import Foundation
import SutureFormats

/// Reads an ONNX graph as steps of a network: what an exporter folds, splits or rearranges comes out the same.
///
/// The graph is run for an imaginary batch, without its pixels. What depends on no image is computed; what an image
/// becomes is followed as an ``Activation``; each operator is a ``GraphStep``, a part of one, or refused by the node's
/// name.
struct GraphReading {
    let model: ONNXModel
    /// The height and width of the images, and whether the graph leaves them open.
    let size: (height: Int, width: Int, isOpen: Bool)
    let batch: Int
    let channels: Int
    var steps: [GraphStep] = []
    private var values: [String: GraphValue] = [:]
    // A small file can ask for endless work and memory: how many elements may still be followed, how many are at hand,
    // and how many may be, in one tensor and in all. A large network has as many in its own tensors.
    private var budget = 1 << 32
    private var atHand = 0
    private let limits: (one: Int, all: Int)

    /// What stands for a size that the graph leaves open: a batch that no exporter writes down by chance, and ImageNet's
    /// size.
    static let openBatch = 3
    static let openSize = 224

    /// Two operands at a time.
    static let arithmetic: [String: @Sendable (Double, Double) -> Double] = [
        "Add": { $0 + $1 }, "Sub": { $0 - $1 }, "Mul": { $0 * $1 }, "Div": { $0 / $1 }, "Pow": { pow($0, $1) }
    ]

    /// Throws ``ModelError`` with code `unsupported` for inputs that are no images.
    init(_ model: ONNXModel) throws {
        guard model.inputs.count == 1, model.outputs.count == 1, let input = model.inputs.first else {
            throw ModelError(
                .unsupported, "this graph is no classifier", subject: model.name,
                expected: "one input, images, and one output, scores",
                found: "\(model.inputs.count) inputs, \(model.outputs.count) outputs")
        }
        let shape = input.shape
        guard input.type == .float32, shape.count == 4, [1, 3].contains(shape[1]),
            shape[2...].allSatisfy({ $0 == -1 || (1...4096).contains($0) }), shape[0] == -1 || shape[0] <= 1024
        else {
            throw ModelError(
                .unsupported, "the input is no batch of images", subject: "\(model.name): input \(input.name)",
                expected: "float32 [batch, 1 or 3, height, width]",
                found: "\(input.type.name) \(shape.map { $0 == -1 ? "?" : "\($0)" })")
        }
        self.model = model
        let counts = model.tensors.values.map(\.count)
        limits = (max(1 << 23, counts.max() ?? 0), max(1 << 26, 4 * counts.reduce(0, +)))
        (batch, channels) = (shape[0] == -1 ? Self.openBatch : shape[0], shape[1])
        func side(_ size: Int) -> Int { size == -1 ? Self.openSize : size }
        size = (side(shape[2]), side(shape[3]), shape[2...].contains(-1))
        let image = [batch, channels, size.height, size.width]
        steps = [GraphStep(kind: .image, shape: image, subject: "\(model.name): input \(input.name)")]
        values[input.name] = .activation(Activation(step: 0, shape: image))
    }

    /// Reads all nodes that the scores depend on; returns the step that gives them, `[batch, classes]`.
    ///
    /// Throws ``ModelError`` with code `unsupported`, naming the node, for what is in no network here.
    mutating func run() throws -> Int {
        let (needed, lastUse) = uses()
        for (number, node) in model.nodes.enumerated() where needed.contains(number) {
            try read(node)
            for name in node.inputs where lastUse[name] == number {
                atHand -= values.removeValue(forKey: name)?.followedCount ?? 0
            }
        }
        guard case .activation(let scores)? = try value(model.outputs[0], model.name), scores.order == nil,
            scores.shape.count == 2, scores.shape[0] == batch, scores.shape == steps[scores.step].shape
        else {
            throw ModelError(
                .unsupported, "the output is no matrix of scores", subject: "\(model.name): output \(model.outputs[0])",
                expected: "[batch, classes]")
        }
        return scores.step
    }

    /// The nodes that the output depends on, and the last of them to read each name.
    private func uses() -> (needed: Set<Int>, lastUse: [String: Int]) {
        var wanted = Set(model.outputs)
        var needed: Set<Int> = []
        var lastUse: [String: Int] = [:]
        for (number, node) in model.nodes.enumerated().reversed() where !wanted.isDisjoint(with: node.outputs) {
            needed.insert(number)
            for name in node.inputs {
                wanted.insert(name)
                if lastUse[name] == nil { lastUse[name] = number }
            }
        }
        for name in model.outputs { lastUse[name] = nil }
        return (needed, lastUse)
    }

    private mutating func read(_ node: ONNXNode) throws {
        switch node.op {
        case "Constant", "Shape", "ConstantOfShape", "Range", "Cast", "CastLike", "Neg", "Floor", "Where", "Equal",
            "Mod":
            try readConstant(node)
        case "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split",
            "Gather",
            "Expand", "Concat", "Pad", "ScatterND":
            try readMovement(node)
        case "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Erf", "Relu", "Gelu", "Tanh": try readArithmetic(node)
        case "Conv", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean":
            try readImageLayer(node)
        case "Gemm", "MatMul", "LayerNormalization", "Softmax", "Attention": try readTokenLayer(node)
        default: throw refusal(node, "this operator is in no network that is imported")
        }
    }
}

// MARK: What operators ask for

extension GraphReading {
    /// What is at hand under a name; nil for a name that stands for nothing.
    func value(_ name: String, _ subject: String) throws -> GraphValue? {
        if name.isEmpty { return nil }
        if let value = values[name] { return value }
        guard let tensor = model.tensors[name] else {
            throw ModelError(.unsupported, "\"\(name)\" is a value that no step here gives", subject: subject)
        }
        return .constant(try GraphConstant(tensor, "\(model.name): tensor \(name)"))
    }

    func input(_ node: ONNXNode, _ index: Int) throws -> GraphValue? {
        node.inputs.indices.contains(index) ? try value(node.inputs[index], node.subject) : nil
    }

    func activation(_ node: ONNXNode, _ index: Int = 0) throws -> Activation {
        guard case .activation(let value)? = try input(node, index) else {
            throw refusal(node, "input \(index) does not depend on the image")
        }
        return value
    }

    /// Numbers; nil where the input is left out.
    func constant(_ node: ONNXNode, _ index: Int) throws -> GraphConstant? {
        switch try input(node, index) {
        case nil: return nil
        case .constant(let value): return value
        case .activation: throw refusal(node, "input \(index) depends on the image")
        }
    }

    func required(_ node: ONNXNode, _ index: Int) throws -> GraphConstant {
        guard let value = try constant(node, index) else { throw refusal(node, "input \(index) is missing") }
        return value
    }

    /// Whole numbers from an input, or from an attribute as older operators have it; nil where there are none.
    func ints(_ node: ONNXNode, _ index: Int, or attribute: String? = nil) throws -> [Int]? {
        if let attribute, let values = try node.ints(attribute) { return values }
        guard let found = try constant(node, index) else { return nil }
        guard let values = found.ints else { throw refusal(node, "input \(index) has no whole numbers") }
        return values
    }

    /// The axes, counted from the front, each once; throws for those that a tensor of this rank does not have.
    func axes(_ node: ONNXNode, _ axes: [Int], rank: Int) throws -> [Int] {
        let found = axes.map { $0 < 0 && $0 >= -rank ? $0 + rank : $0 }
        guard found.allSatisfy((0..<rank).contains), Set(found).count == found.count else {
            throw refusal(node, "there are no such axes", expected: "\(-rank)..<\(rank), each once", found: "\(axes)")
        }
        return found
    }

    mutating func define(_ node: ONNXNode, _ value: GraphValue, output: Int = 0) {
        guard node.outputs.indices.contains(output), !node.outputs[output].isEmpty else { return }
        values[node.outputs[output]] = value
        atHand += value.followedCount
    }

    /// A new step, whose result has its own order and `shape`, or the other shape in which the graph sees it.
    mutating func define(
        _ node: ONNXNode, _ kind: GraphStep.Kind, _ shape: [Int], seenAs view: (shape: [Int], order: [Int32]?)? = nil
    ) {
        let step = append(kind, shape, node)
        define(node, .activation(Activation(step: step, shape: view?.shape ?? shape, order: view?.order)))
    }

    mutating func append(_ kind: GraphStep.Kind, _ shape: [Int], _ node: ONNXNode) -> Int {
        steps.append(GraphStep(kind: kind, shape: shape, subject: node.subject))
        return steps.count - 1
    }

    /// Throws ``ModelError`` with code `tooLarge` when a graph asks for more than any network here.
    mutating func spend(_ node: ONNXNode, _ shape: [Int]) throws {
        guard let count = GraphMovement.count(shape), count <= min(budget, limits.one), atHand + count <= limits.all
        else {
            throw ModelError(
                .tooLarge, "the graph asks for more than any network that is imported", subject: node.subject,
                found: "a tensor \(shape)", hint: "export it for fewer images at a time")
        }
        budget -= count
    }

    func refusal(_ node: ONNXNode, _ problem: String, expected: String? = nil, found: String? = nil) -> ModelError {
        ModelError(.unsupported, problem, subject: node.subject, expected: expected, found: found)
    }
}
