import Foundation
import SutureFormats
import SutureTensor

/// Writes the layers of a classifier as nodes of an ONNX graph, its tensors under their own names.
struct GraphWriting {
    private var writer: ONNXWriter
    private let tensors: [String: Tensor]
    /// Height and width of what the last node gave; nil where the graph leaves them open.
    private var side: Int?
    /// Whether the last node gave tokens, `[batch, position, width]`.
    private var isTokens = false
    /// The names of numbers that are tensors of the graph already.
    private var constants: Set<String> = []

    /// `side` is the height and width of the images; nil leaves them open.
    init(_ writer: ONNXWriter, _ tensors: [String: Tensor], side: Int?) {
        (self.writer, self.tensors, self.side) = (writer, tensors, side)
    }

    /// The graph with these layers, from `pixels` to `logits`.
    mutating func write(_ layers: [ClassifierArchitecture.Layer]) throws -> ONNXWriter {
        let scores = try run(layers, "pixels")
        writer.addNode("Identity", [scores], output: "logits")
        return writer
    }

    private mutating func run(_ layers: [ClassifierArchitecture.Layer], _ input: String) throws -> String {
        try layers.reduce(input) { try step($1, $0) }
    }

    private mutating func step(_ layer: ClassifierArchitecture.Layer, _ input: String) throws -> String {
        switch layer {
        case .convolution(let it):
            let inputs = try [input, tensor(it.name + ".weight")] + (it.hasBias ? [tensor(it.name + ".bias")] : [])
            slide(it.size, it.stride, it.padding)
            return writer.addNode("Conv", inputs, window(it.size, it.stride, it.padding))
        case .batchNorm(let name, _):
            let parts = try ["weight", "bias", "running_mean", "running_var"].map { try tensor("\(name).\($0)") }
            return writer.addNode("BatchNormalization", [input] + parts, ["epsilon": .float(ClassifierForward.epsilon)])
        case .relu: return writer.addNode("Relu", [input])
        case .maxPool(let size, let stride, let padding):
            slide(size, stride, padding)
            return writer.addNode("MaxPool", [input], window(size, stride, padding))
        case .averagePool(let size): return try averagePool(input, size)
        case .flatten: return writer.addNode("Flatten", [input])
        case .dropout: return input
        case .linear(let name, _, _): return try linear(name + ".", input)
        case .residual(let branch, let shortcut):
            let before = side
            let first = try run(branch, input)
            side = before
            let second = try run(shortcut, input)
            return writer.addNode("Relu", [writer.addNode("Add", [first, second])])
        case .subsample(let stride, let channels): return try subsample(input, stride, channels)
        case .tokens(let first, let places, _, let width): return try tokens(input, first, places, width)
        case .layerNorm(let name, _):
            return try writer.addNode(
                "LayerNormalization", [input, tensor(name + ".weight"), tensor(name + ".bias")],
                ["axis": .int(-1), "epsilon": .float(ClassifierForward.layerNormEpsilon)])
        case .attention(let it): return try attention(it, input)
        case .gelu: return try gelu(input)
        case .sum(let branch): return try writer.addNode("Add", [run(branch, input), input])
        case .firstToken:
            isTokens = false
            let kept = try slice(input, from: 0, to: 1, axis: 1, step: 1)
            return try writer.addNode("Squeeze", [kept, ints([1])])
        }
    }

    private func window(_ size: Int, _ stride: Int, _ padding: Int) -> KeyValuePairs<String, ONNXNode.Attribute> {
        [
            "kernel_shape": .ints([size, size]), "strides": .ints([stride, stride]),
            "pads": .ints([padding, padding, padding, padding])
        ]
    }

    private mutating func slide(_ size: Int, _ stride: Int, _ padding: Int) {
        side = side.map { ($0 + 2 * padding - size) / stride + 1 }
    }

    private mutating func averagePool(_ input: String, _ size: Int) throws -> String {
        if size == 1 { return writer.addNode("GlobalAveragePool", [input]) }
        // ONNX has no pooling to a size: windows that tile the image are the same where they can.
        guard let side, side % size == 0 else {
            throw ModelError(
                .unsupported, "ONNX cannot average an image to \(size)x\(size) that is not a multiple of it",
                expected: "images of a size of which \(size), 2 x \(size) and so on is left",
                found: side.map { "\($0)x\($0) before the pooling" } ?? "images of any size",
                hint: "the model's preparation in config.json says the size of its images")
        }
        return writer.addNode(
            "AveragePool", [input],
            ["kernel_shape": .ints([side / size, side / size]), "strides": .ints([side / size, side / size])])
    }

    /// Of a matrix, or of each token: Gemm takes the former only.
    private mutating func linear(_ name: String, _ input: String) throws -> String {
        let (weight, bias) = (try tensor(name + "weight"), try tensor(name + "bias"))
        guard isTokens else { return writer.addNode("Gemm", [input, weight, bias], ["transB": .int(1)]) }
        let across = writer.addNode("Transpose", [weight], ["perm": .ints([1, 0])])
        return writer.addNode("Add", [writer.addNode("MatMul", [input, across]), bias])
    }
}

// MARK: What takes several nodes

extension GraphWriting {
    private mutating func subsample(_ input: String, _ stride: Int, _ channels: Int) throws -> String {
        let rows = try slice(input, from: 0, to: .max, axis: 2, step: stride)
        let kept = try slice(rows, from: 0, to: .max, axis: 3, step: stride)
        side = side.map { ($0 + stride - 1) / stride }
        // Half as many channels come in.
        let missing = channels - channels / 2
        let before = missing / 2
        return try writer.addNode("Pad", [kept, ints([0, before, 0, 0, 0, missing - before, 0, 0])])
    }

    private mutating func tokens(_ input: String, _ first: String, _ places: String, _ width: Int) throws -> String {
        let flat = try writer.addNode("Reshape", [input, ints([0, width, -1])])
        let rest = writer.addNode("Transpose", [flat], ["perm": .ints([0, 2, 1])])
        let batch = try slice(writer.addNode("Shape", [input]), from: 0, to: 1, axis: 0, step: 1)
        let shape = try writer.addNode("Concat", [batch, ints([1, width])], ["axis": .int(0)])
        let token = try writer.addNode("Expand", [tensor(first), shape])
        isTokens = true
        let all = writer.addNode("Concat", [token, rest], ["axis": .int(1)])
        return try writer.addNode("Add", [all, tensor(places)])
    }

    private mutating func attention(_ it: ClassifierArchitecture.Attention, _ input: String) throws -> String {
        let size = it.width / it.heads
        let all = try writer.addNode("Reshape", [linear(it.inputs, input), ints([0, 0, 3, it.heads, size])])
        let apart = writer.addNode("Transpose", [all], ["perm": .ints([2, 0, 3, 1, 4])])
        let parts = try (0..<3).map { third in
            try writer.addNode("Squeeze", [slice(apart, from: third, to: third + 1, axis: 0, step: 1), ints([0])])
        }
        let keys = writer.addNode("Transpose", [parts[1]], ["perm": .ints([0, 1, 3, 2])])
        let queries = try writer.addNode("Mul", [parts[0], number(1 / Double(size).squareRoot())])
        let weights = writer.addNode(
            "Softmax", [writer.addNode("MatMul", [queries, keys])], ["axis": .int(-1)])
        let seen = writer.addNode(
            "Transpose", [writer.addNode("MatMul", [weights, parts[2]])], ["perm": .ints([0, 2, 1, 3])])
        return try linear(it.outputs + ".", writer.addNode("Reshape", [seen, ints([0, 0, it.width])]))
    }

    /// x/2 (1 + erf(x / √2))
    private mutating func gelu(_ input: String) throws -> String {
        let error = try writer.addNode("Erf", [writer.addNode("Div", [input, number(2.0.squareRoot())])])
        let sum = try writer.addNode("Add", [error, number(1)])
        return try writer.addNode("Mul", [writer.addNode("Mul", [input, sum]), number(0.5)])
    }

    private mutating func slice(_ input: String, from start: Int, to end: Int, axis: Int, step: Int) throws -> String {
        try writer.addNode("Slice", [input, ints([start]), ints([end]), ints([axis]), ints([step])])
    }

    /// Whole numbers as a tensor of the graph.
    private mutating func ints(_ values: [Int]) throws -> String {
        let name = "suture.ints." + values.map(String.init).joined(separator: ".")
        if constants.insert(name).inserted { try writer.addTensor(name, values) }
        return name
    }

    private mutating func number(_ value: Double) throws -> String {
        let name = "suture.number.\(value)"
        if constants.insert(name).inserted { try writer.addTensor(name, [], [Float(value)]) }
        return name
    }

    private mutating func tensor(_ name: String) throws -> String {
        guard let tensor = tensors[name] else {
            throw ModelError(.badWeights, "a tensor of the architecture is missing", subject: name)
        }
        try writer.addTensor(name, tensor.shape, tensor.elements(as: Float.self))
        return name
    }
}
