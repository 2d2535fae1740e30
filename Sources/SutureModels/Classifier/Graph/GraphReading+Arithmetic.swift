import Foundation
import SutureFormats

extension GraphReading {
    /// Operators that work on each element: activations, sums, and the parts of which exporters make norms and GELU.
    mutating func readArithmetic(_ node: ONNXNode) throws {
        try node.allow("approximate")
        guard node.inputs.count == 2 else { return try readFunction(node) }
        switch (try input(node, 0), try input(node, 1)) {
        case (.constant(let first)?, .constant(let second)?):
            define(node, .constant(try combined(node, first, second)))
        case (.activation(let value)?, .constant(let number)?):
            try combine(node, value, number, isReversed: false)
        case (.constant(let number)?, .activation(let value)?):
            try combine(node, value, number, isReversed: true)
        case (.activation(let first)?, .activation(let second)?): try combine(node, first, second)
        default: throw refusal(node, "an input is missing")
        }
    }

    private mutating func readFunction(_ node: ONNXNode) throws {
        if node.op == "Sqrt", case .constant? = try input(node, 0) { return try readConstant(node) }
        let value = try activation(node)
        if node.op == "Relu" {
            return define(node, .relu(value.step), steps[value.step].shape, seenAs: (value.shape, value.order))
        }
        let isApproximate = try node.text("approximate") == "tanh"
        guard let function = Self.functions[isApproximate ? "\(node.op) by tanh" : node.op] else {
            throw refusal(node, "this operator is in no network that is imported")
        }
        try apply(node, value, function)
    }

    private static let functions: [String: @Sendable (Double) -> Double] = [
        "Erf": { erf($0) }, "Gelu": gelu, "Tanh": { tanh($0) }, "Sqrt": { $0.squareRoot() }
    ]

    /// A further function of each element of what a step gave.
    private mutating func apply(
        _ node: ONNXNode, _ value: Activation, _ function: @escaping @Sendable (Double) -> Double
    ) throws {
        let (base, inner, count) = pointwise(value.step)
        try define(node, base, operators: count + 1, seenAs: value) { function(inner($0)) }
    }

    private mutating func define(
        _ node: ONNXNode, _ base: Int, operators: Int, seenAs value: Activation,
        _ function: @escaping @Sendable (Double) -> Double
    ) throws {
        // GELU has five; a thousand could not be evaluated, each within the next.
        guard operators <= 64 else { throw refusal(node, "this function is in no network that is imported") }
        define(
            node, .pointwise(base, function, operators: operators), steps[base].shape,
            seenAs: (value.shape, value.order))
    }

    /// The step that a function of each element is applied to, and the function; a step itself is its identity.
    func pointwise(_ step: Int) -> (base: Int, function: @Sendable (Double) -> Double, operators: Int) {
        if case .pointwise(let base, let function, let count) = steps[step].kind { return (base, function, count) }
        return (step, { $0 }, 0)
    }

    /// GELU (Hendrycks & Gimpel 2016, arXiv 1606.08415): x/2 (1 + erf(x / √2)).
    static let gelu: @Sendable (Double) -> Double = { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }

    /// Whether two functions agree where it matters, up to the rounding of constants to float32.
    static func agree(
        _ first: (Double) -> Double, _ second: (Double) -> Double, over numbers: [Double] = GraphReading.samples
    ) -> Bool {
        numbers.allSatisfy { abs(first($0) - second($0)) <= 1e-6 * max(abs($0), abs(second($0))) }
    }

    private static let samples = (-64...64).map { Double($0) * 0.09375 + 0.001 }

    /// The factor, if a function multiplies by one.
    static func factor(_ function: (Double) -> Double) -> Double? {
        let factor = function(1)
        return agree(function) { factor * $0 } ? factor : nil
    }

    // MARK: With numbers

    private mutating func combine(_ node: ONNXNode, _ value: Activation, _ other: GraphConstant, isReversed: Bool)
        throws
    {
        let step = steps[value.step]
        let width = value.shape.last ?? 0
        // A number for each feature: not for each of something that has as many.
        let isRow =
            other.count == width && other.shape.last == width && step.shape.last == width
            && (try? rows(of: value, node)) != nil
        switch (node.op, step.kind) {
        case (_, .image):
            throw refusal(
                node, "the graph prepares the pixels itself", expected: "a network alone",
                found: "\(node.op) before the first layer")
        case ("Add", .linear(let base, let weight, let isTransposed, nil)) where isRow:
            define(
                node, .linear(base, weight: weight, isTransposed: isTransposed, bias: other.reshaped([width])),
                step.shape,
                seenAs: (value.shape, value.order))
        case ("Mul", .normalised(let base)) where isRow:
            define(node, .gained(base, other.reshaped([width])), step.shape, seenAs: (value.shape, value.order))
        case ("Add", .gained(let base, let gain)) where isRow:
            define(
                node, .layerNorm(base, gain: gain, shift: other.reshaped([width])), step.shape,
                seenAs: (value.shape, value.order))
        case ("Add", .afterFirst(let base, let first)):
            guard value.order == nil, value.shape == step.shape,
                let places = GraphMovement.broadcasting(other.shape, to: step.shape).map(other.moved)?.floats,
                case let count = step.shape[1] * step.shape[2],
                places.indices.allSatisfy({ places[$0] == places[$0 % count] })
            else { throw refusal(node, "what is added to the tokens has another shape", found: "\(other.shape)") }
            let shape = [1, step.shape[1], step.shape[2]]
            define(
                node, .tokens(base, first: first, places: GraphConstant(shape, floats: Array(places[..<count]))),
                step.shape)
        default:
            guard let number = other.number, other.shape.count <= value.shape.count,
                let function = Self.arithmetic[node.op]
            else {
                throw refusal(
                    node, "this is computed by no network that is imported",
                    found: "\(node.op) of \(step.title) and numbers \(other.shape)")
            }
            if isReversed {
                try apply(node, value) { function(number, $0) }
            } else {
                try apply(node, value) { function($0, number) }
            }
        }
    }

    // MARK: With each other

    private mutating func combine(_ node: ONNXNode, _ first: Activation, _ second: Activation) throws {
        if node.op == "Sub" || node.op == "Div", let part = normPart(node.op, first, second) {
            return define(node, part, steps[first.step].shape, seenAs: (first.shape, first.order))
        }
        guard first.shape == second.shape, first.order == second.order,
            steps[first.step].shape == steps[second.step].shape, let function = Self.arithmetic[node.op]
        else {
            throw refusal(
                node, "this is computed by no network that is imported",
                found: "\(node.op) of \(steps[first.step].title) and \(steps[second.step].title)")
        }
        let view = (first.shape, first.order)
        let ((a, f, m), (b, g, n)) = (pointwise(first.step), pointwise(second.step))
        if a == b {
            return try define(node, a, operators: m + n + 1, seenAs: first) { function(f($0), g($0)) }
        }
        guard node.op == "Add" else {
            throw refusal(node, "this is computed by no network that is imported")
        }
        define(node, .sum(first.step, second.step), steps[first.step].shape, seenAs: view)
    }

    /// `x - mean(x)`, and that over the root of its variance and a little more, in the rows of a layer norm.
    private func normPart(_ op: String, _ first: Activation, _ second: Activation) -> GraphStep.Kind? {
        guard first.order == nil, second.order == nil, first.shape.dropLast() == second.shape.dropLast(),
            second.shape.last == 1
        else { return nil }
        if op == "Sub", case .rowMean(let base) = steps[second.step].kind, base == first.step { return .centred(base) }
        guard op == "Div", case .centred(let base) = steps[first.step].kind,
            case .pointwise(let variance, let function, _) = steps[second.step].kind,
            case .rowVariance(let other) = steps[variance].kind, other == base
        else { return nil }
        // Near zero, where the little more is all there is.
        let numbers = [0, 1e-7, 1e-6, 1e-5, 1e-3, 0.1, 1, 7]
        let isRoot = numbers.allSatisfy {
            let root = ($0 + ClassifierForward.layerNormEpsilon).squareRoot()
            return abs(function($0) - root) <= 1e-4 * root
        }
        return isRoot ? .normalised(base) : nil
    }
}
