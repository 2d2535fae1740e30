import SutureFormats

extension GraphReading {
    /// The layers that work on rows of numbers, such as tokens `[batch, position, width]`, and attention.
    mutating func readTokenLayer(_ node: ONNXNode) throws {
        switch node.op {
        case "Gemm":
            try node.allow("alpha", "beta", "transA", "transB")
            guard try (node.float("alpha") ?? 1) == 1, try (node.float("beta") ?? 1) == 1,
                try (node.int("transA") ?? 0) == 0
            else { throw refusal(node, "only plain linear layers are in the networks that are imported") }
            let isTransposed = try (node.int("transB") ?? 0) == 0
            try apply(node, activation(node), required(node, 1), isTransposed: isTransposed, bias: constant(node, 2))
        case "MatMul":
            try node.allow()
            switch (try input(node, 0), try input(node, 1)) {
            case (.activation(let value)?, .constant(let weight)?):
                try apply(node, value, weight, isTransposed: true, bias: nil)
            case (.activation(let first)?, .activation(let second)?): try multiply(node, first, second)
            default: throw refusal(node, "only what depends on the image is multiplied by numbers")
            }
        case "LayerNormalization":
            try node.allow("axis", "epsilon", "stash_type")
            let (value, gain) = (try activation(node), try required(node, 1))
            let axis = try node.int("axis") ?? -1
            guard let width = value.shape.last, axis == -1 || axis == value.shape.count - 1,
                try (node.int("stash_type") ?? 1) == 1
            else { throw refusal(node, "only the last axis is normalised in the networks that are imported") }
            try require(node, epsilon: ClassifierForward.layerNormEpsilon, standard: 1e-5)
            let shift = try constant(node, 2) ?? GraphConstant([width], floats: Array(repeating: 0, count: width))
            guard gain.shape == [width], shift.shape == [width] else {
                throw refusal(node, "there is not one number for each feature", found: "\(gain.shape)")
            }
            let rows = try rows(of: value, node)
            define(
                node, .layerNorm(value.step, gain: gain, shift: shift), rows.shape,
                seenAs: (value.shape, rows.order(width)))
        case "Softmax":
            try node.allow("axis")
            let value = try activation(node)
            let axis = try node.int("axis") ?? -1
            try weigh(node, value, isLast: axis == -1 || axis == value.shape.count - 1)
        default: try attend(node)
        }
    }

    /// A linear layer of each row.
    private mutating func apply(
        _ node: ONNXNode, _ value: Activation, _ weight: GraphConstant, isTransposed: Bool, bias: GraphConstant?
    ) throws {
        guard weight.shape.count == 2, value.shape.count >= 2, value.shape.last == weight.shape[isTransposed ? 0 : 1]
        else {
            throw refusal(
                node, "the matrix does not fit what it is applied to", found: "\(weight.shape) and \(value.shape)")
        }
        let outputs = weight.shape[isTransposed ? 1 : 0]
        guard bias.map({ $0.count == outputs && $0.shape.last == outputs }) ?? true else {
            throw refusal(node, "the bias has another shape", expected: "[\(outputs)]", found: "\(bias?.shape ?? [])")
        }
        let rows = try rows(of: value, node)
        try spend(node, value.shape.dropLast() + [outputs])
        define(
            node,
            .linear(value.step, weight: weight, isTransposed: isTransposed, bias: bias?.reshaped([outputs])),
            rows.shape.dropLast() + [outputs], seenAs: (value.shape.dropLast() + [outputs], rows.order(outputs)))
    }

    /// Rows of numbers, as a step gave them or in another order of the rows.
    struct Rows {
        /// The shape in which the step gave them.
        let shape: [Int]
        /// The place of each row; nil for the order in which the step gave them.
        let places: [Int32]?

        /// The order of the elements when each row has become one of `width`: rows do not know of each other.
        func order(_ width: Int) -> [Int32]? {
            places.map { $0.flatMap { place in (0..<Int32(width)).map { place * Int32(width) + $0 } } }
        }
    }

    func rows(of value: Activation, _ node: ONNXNode) throws -> Rows {
        let (shape, width) = (steps[value.step].shape, value.shape.last ?? 1)
        guard let order = value.order else {
            return Rows(shape: shape.last == width ? shape : value.shape, places: nil)
        }
        let starts = stride(from: 0, to: order.count, by: max(1, width))
        guard shape.last == width,
            starts.allSatisfy({ start in
                Int(order[start]) % width == 0 && order[start] >= 0
                    && (0..<width).allSatisfy { order[start + $0] == order[start] + Int32($0) }
            })
        else { throw refusal(node, "what this reads is in an order that no network that is imported has") }
        return Rows(shape: shape, places: starts.map { order[$0] / Int32(width) })
    }
}

// MARK: Attention

extension GraphReading {
    /// Queries, keys or values of all heads: a part of what a linear step gave.
    private struct Part {
        let step: Int
        let heads: Int
        /// The width of a head.
        let size: Int
        /// Which third of the step's features; 0 of a step that gives no more.
        let third: Int
        /// What they were multiplied by.
        let factor: Double
    }

    /// Reads `[batch, heads, position, size]`, or the last two the other way; heads and batch may be one axis.
    private func part(_ value: Activation, isTransposed: Bool, _ node: ONNXNode) throws -> Part {
        let (base, function, _) = pointwise(value.step)
        let (shape, rank) = (steps[base].shape, value.shape.count)
        guard case .linear = steps[base].kind, shape.count == 3, rank >= 3, let factor = Self.factor(function) else {
            throw refusal(node, "this product is in no network that is imported", found: steps[value.step].title)
        }
        let (tokens, size) = (value.shape[rank - (isTransposed ? 1 : 2)], value.shape[rank - (isTransposed ? 2 : 1)])
        let groups = value.shape.dropLast(2).reduce(1, *)
        guard tokens == shape[1], groups % shape[0] == 0, size > 0, groups > 0 else {
            throw refusal(node, "these are not the heads of attention", found: "\(value.shape) of \(shape)")
        }
        let heads = groups / shape[0]
        let width = heads * size
        let first = Int(value.order?.first ?? 0)
        let third = first % shape[2] / width
        guard shape[2] == width || shape[2] == 3 * width else {
            throw refusal(node, "these are not the heads of attention", found: "\(value.shape) of \(shape)")
        }
        var index = 0
        for group in 0..<groups {
            let (image, head) = (group / heads, group % heads)
            for outer in 0..<(isTransposed ? size : tokens) {
                for inner in 0..<(isTransposed ? tokens : size) {
                    let (token, feature) = isTransposed ? (inner, outer) : (outer, inner)
                    let place = (image * tokens + token) * shape[2] + third * width + head * size + feature
                    guard value.order.map({ Int($0[index]) }) ?? index == place else {
                        throw refusal(node, "the heads of attention are in an order that no network here has")
                    }
                    index += 1
                }
            }
        }
        return Part(step: base, heads: heads, size: size, third: third, factor: factor)
    }

    private func isQueries(_ part: Part, _ other: Part) -> Bool {
        part.heads == other.heads && part.size == other.size
            && (part.step == other.step ? part.third == 0 && other.third == 1 : true)
    }

    /// Queries by keys, or weights by values.
    private mutating func multiply(_ node: ONNXNode, _ first: Activation, _ second: Activation) throws {
        if case .softmax(let queries, let keys, let heads) = steps[first.step].kind, first.order == nil {
            let values = try part(second, isTransposed: false, node)
            let tokens = steps[values.step].shape[1]
            guard values.factor == 1, values.heads == heads, first.shape.dropLast(2) == second.shape.dropLast(2),
                first.shape.suffix(2) == [tokens, tokens]
            else {
                throw refusal(node, "the values of attention do not fit its weights")
            }
            return try finish(node, [queries, keys, values.step], values, second.shape)
        }
        let (queries, keys) = (try part(first, isTransposed: false, node), try part(second, isTransposed: true, node))
        guard first.shape.dropLast(2) == second.shape.dropLast(2), isQueries(queries, keys) else {
            throw refusal(node, "the queries of attention do not fit its keys")
        }
        let shape = first.shape.dropLast() + [second.shape[second.shape.count - 1]]
        define(
            node,
            .scores(
                queries: queries.step, keys: keys.step, heads: queries.heads, size: queries.size,
                factor: queries.factor * keys.factor), Array(shape))
    }

    /// Weights from scores, which are to be divided by the root of a head's width.
    private mutating func weigh(_ node: ONNXNode, _ value: Activation, isLast: Bool) throws {
        let (base, function, _) = pointwise(value.step)
        guard case .scores(let queries, let keys, let heads, let size, let inner) = steps[base].kind else {
            throw refusal(
                node, "this softmax is not that of attention",
                expected: "scores as the network's output, no probabilities")
        }
        guard value.order == nil, isLast, value.shape.last == steps[base].shape.last, let outer = Self.factor(function)
        else {
            throw refusal(node, "what becomes weights of attention is changed before")
        }
        try require(node, factor: inner * outer, size: size)
        define(
            node, .softmax(queries: queries, keys: keys, heads: heads), steps[base].shape, seenAs: (value.shape, nil))
    }

    private func require(_ node: ONNXNode, factor: Double, size: Int) throws {
        let expected = 1 / Double(size).squareRoot()
        guard abs(factor - expected) <= 1e-5 * expected else {
            throw refusal(
                node, "the scores of attention are scaled otherwise", expected: "\(Float(expected))",
                found: "\(Float(factor))")
        }
    }

    /// The operator of opset 23, which does all of it.
    private mutating func attend(_ node: ONNXNode) throws {
        try node.allow("scale", "is_causal", "softcap", "qk_matmul_output_mode", "softmax_precision")
        let parts = try (0..<3).map { try part(activation(node, $0), isTransposed: false, node) }
        guard node.inputs.dropFirst(3).allSatisfy(\.isEmpty), try (node.int("is_causal") ?? 0) == 0,
            try (node.float("softcap") ?? 0) == 0, isQueries(parts[0], parts[1]), parts[2].factor == 1,
            parts[2].heads == parts[0].heads
        else { throw refusal(node, "attention of this form is in no network that is imported") }
        let scale = try node.float("scale") ?? 1 / Double(parts[0].size).squareRoot()
        try require(node, factor: scale * parts[0].factor * parts[1].factor, size: parts[0].size)
        try finish(node, parts.map(\.step), parts[2], activation(node, 2).shape)
    }

    /// All heads side by side, `[batch, position, width]`, which the graph sees apart.
    private mutating func finish(_ node: ONNXNode, _ inputs: [Int], _ values: Part, _ shape: [Int]) throws {
        let whole = steps[values.step].shape
        let isOne = Set(inputs).count == 1
        guard isOne ? values.third == 2 : Set(inputs).count == 3 else {
            throw refusal(node, "queries, keys and values of attention are not three parts of one layer")
        }
        let (heads, tokens, size) = (values.heads, whole[1], values.size)
        let width = heads * size
        guard whole[2] == (isOne ? 3 * width : width) else {
            throw refusal(node, "queries, keys and values of attention are not three parts of one layer")
        }
        let result = [whole[0], tokens, width]
        let step = append(.attention(inputs, heads: heads), result, node)
        let apart = GraphMovement([whole[0], heads, tokens, size], strides: [tokens * width, size, width, 1])
        let seen = GraphMovement(shape: shape, source: apart.source)
        define(node, .activation(moved(Activation(step: step, shape: result), seen, node)))
    }
}
