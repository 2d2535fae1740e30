import SutureFormats

extension GraphReading {
    /// Operators that compute nothing and say only which element goes where.
    mutating func readMovement(_ node: ONNXNode) throws {
        switch node.op {
        case "Identity", "Dropout":
            try node.allow("ratio", "seed")
            if node.op == "Dropout", let training = try constant(node, 2),
                training.ints?.allSatisfy({ $0 == 0 }) != true
            {
                throw refusal(node, "the network was exported as it is in training", expected: "network.eval()")
            }
            try reshape(node) { _, shape in shape }
        case "Reshape":
            try node.allow("allowzero")
            guard let target = try ints(node, 1) else { throw refusal(node, "input 1 is missing") }
            let keepsZero = try (node.int("allowzero") ?? 0) != 0
            try reshape(node) { _, shape in
                target.enumerated().map { axis, size in
                    size == 0 && !keepsZero && shape.indices.contains(axis) ? shape[axis] : size
                }
            }
        case "Flatten":
            try node.allow("axis")
            let axis = try node.int("axis") ?? 1
            try reshape(node) { reading, shape in
                let first = axis == shape.count ? axis : try reading.axes(node, [axis], rank: shape.count)[0]
                return [shape[..<first].reduce(1, *), shape[first...].reduce(1, *)]
            }
        case "Squeeze":
            try node.allow("axes")
            let asked = try ints(node, 1, or: "axes")
            try reshape(node) { reading, shape in
                let gone =
                    try asked.map { try reading.axes(node, $0, rank: shape.count) }
                    ?? shape.indices.filter { shape[$0] == 1 }
                guard gone.allSatisfy({ shape[$0] == 1 }) else {
                    throw reading.refusal(node, "an axis is longer than 1", found: "\(shape)")
                }
                return shape.indices.filter { !gone.contains($0) }.map { shape[$0] }
            }
        case "Unsqueeze":
            try node.allow("axes")
            guard let asked = try ints(node, 1, or: "axes") else { throw refusal(node, "input 1 is missing") }
            try reshape(node) { reading, shape in
                var rest = shape[...]
                let new = try reading.axes(node, asked, rank: shape.count + asked.count)
                return (0..<shape.count + asked.count).map { new.contains($0) ? 1 : rest.removeFirst() }
            }
        case "Concat": try concatenate(node)
        case "Pad": try pad(node)
        case "ScatterND": try scatter(node)
        case "Split": try split(node)
        default: try move(node) { reading, shape in try reading.movement(node, shape) }
        }
    }

    private func movement(_ node: ONNXNode, _ shape: [Int]) throws -> GraphMovement? {
        switch node.op {
        case "Transpose":
            try node.allow("perm")
            return GraphMovement.transposing(shape, try node.ints("perm") ?? shape.indices.reversed())
        case "Gather":
            try node.allow("axis")
            let (axis, indices) = (try node.int("axis") ?? 0, try required(node, 1))
            guard let numbers = indices.ints else { throw refusal(node, "the indices are no whole numbers") }
            return GraphMovement.gathering(
                shape, axis: try axes(node, [axis], rank: shape.count)[0], indices: numbers, indexShape: indices.shape)
        case "Expand":
            try node.allow()
            guard let target = try ints(node, 1), target.allSatisfy({ $0 >= 0 }) else { return nil }
            return GraphMovement.common(shape, target).flatMap { GraphMovement.broadcasting(shape, to: $0) }
        default:
            try node.allow()
            guard let starts = try ints(node, 1), let ends = try ints(node, 2), starts.count == ends.count else {
                return nil
            }
            let axes = try axes(node, try ints(node, 3) ?? Array(starts.indices), rank: shape.count)
            let steps = try ints(node, 4) ?? starts.map { _ in 1 }
            guard axes.count == starts.count, steps.count == starts.count else { return nil }
            var all = GraphMovement(shape, strides: GraphMovement.strides(shape))
            for (index, axis) in axes.enumerated() {
                guard
                    let part = GraphMovement.slicing(
                        all.shape, axis: axis, start: starts[index], end: ends[index], step: steps[index])
                else { return nil }
                all = GraphMovement(shape: part.shape, source: part.source.map { all.source[Int($0)] })
            }
            return all
        }
    }

    private mutating func split(_ node: ONNXNode) throws {
        try node.allow("axis", "num_outputs")
        let (asked, axis) = (try ints(node, 1), try node.int("axis") ?? 0)
        var start = 0
        for output in node.outputs.indices {
            try move(node, output: output) { reading, shape in
                let axis = try reading.axes(node, [axis], rank: shape.count)[0]
                let even = (shape[axis] + node.outputs.count - 1) / node.outputs.count
                let sizes = asked ?? node.outputs.indices.map { max(0, min(even, shape[axis] - $0 * even)) }
                guard sizes.count == node.outputs.count, sizes.allSatisfy({ (0...shape[axis]).contains($0) }),
                    sizes.reduce(0, +) == shape[axis]
                else { return nil }
                defer { start += sizes[output] }
                return GraphMovement.slicing(shape, axis: axis, start: start, end: start + sizes[output], step: 1)
            }
        }
    }

    /// The same elements in the same order; of a target at most one size is -1.
    private mutating func reshape(_ node: ONNXNode, _ target: (GraphReading, [Int]) throws -> [Int]) throws {
        func fitted(_ shape: [Int]) throws -> [Int] {
            var sizes = try target(self, shape)
            let count = shape.reduce(1, *)
            if let open = sizes.firstIndex(of: -1) {
                sizes[open] = 1
                if let known = GraphMovement.count(sizes), known > 0, count % known == 0 { sizes[open] = count / known }
            }
            guard GraphMovement.count(sizes) == count else {
                throw refusal(
                    node, "the shape does not fit, of images of \(size.height) x \(size.width)",
                    expected: "\(count) elements",
                    found: "\(sizes)")
            }
            return sizes
        }
        switch try input(node, 0) {
        case .constant(let value)?: define(node, .constant(value.reshaped(try fitted(value.shape))))
        case .activation(var value)?:
            value.shape = try fitted(value.shape)
            define(node, .activation(value))
        case nil: throw refusal(node, "input 0 is missing")
        }
    }

    /// Moves what the first input gives, numbers or what an image became.
    private mutating func move(
        _ node: ONNXNode, output: Int = 0, _ movement: (GraphReading, [Int]) throws -> GraphMovement?
    ) throws {
        func checked(_ shape: [Int]) throws -> GraphMovement {
            guard let movement = try movement(self, shape) else {
                throw refusal(node, "this cannot be done with a tensor \(shape)")
            }
            return movement
        }
        switch try input(node, 0) {
        case .constant(let value)?:
            try spend(node, value.shape)
            let movement = try checked(value.shape)
            try spend(node, movement.shape)
            define(node, .constant(value.moved(movement)), output: output)
        case .activation(let value)?:
            try spend(node, value.shape)
            let movement = try checked(value.shape)
            try spend(node, movement.shape)
            define(node, .activation(moved(value, movement, node)), output: output)
        case nil: throw refusal(node, "input 0 is missing")
        }
    }

    /// An activation after a movement; what is the network's own step, such as taking the first token, becomes one.
    mutating func moved(_ value: Activation, _ movement: GraphMovement, _ node: ONNXNode) -> Activation {
        let order = value.order.map { old in movement.source.map { $0 < 0 ? -1 : old[Int($0)] } } ?? movement.source
        let shape = steps[value.step].shape
        let count = GraphMovement.count(shape) ?? 0
        if order.count == count, order.indices.allSatisfy({ order[$0] == Int32($0) }) {
            return Activation(step: value.step, shape: movement.shape)
        }
        if shape.count == 3, isFirstToken(order, of: shape) {
            let step = append(.firstToken(value.step), [shape[0], shape[2]], node)
            return Activation(step: step, shape: movement.shape)
        }
        if let (stride, result) = subsampling(order, movement.shape, of: shape) {
            let step = append(.subsample(value.step, stride: stride, channels: result[1]), result, node)
            return Activation(step: step, shape: result)
        }
        return Activation(step: value.step, shape: movement.shape, order: order)
    }

    private func isFirstToken(_ order: [Int32], of shape: [Int]) -> Bool {
        let (tokens, width) = (shape[1], shape[2])
        return order.count == shape[0] * width
            && order.indices.allSatisfy { order[$0] == Int32($0 / width * tokens * width + $0 % width) }
    }

    /// The stride, if this is every so many pixels of an image, between channels of zeros.
    private func subsampling(_ order: [Int32], _ shape: [Int], of old: [Int]) -> (Int, [Int])? {
        guard shape.count == 4, old.count == 4, shape[0] == old[0], shape[1] > old[1], order.contains(-1) else {
            return nil
        }
        let before = (shape[1] - old[1]) / 2
        for stride in 1...4
        where shape[2] == (old[2] + stride - 1) / stride && shape[3] == (old[3] + stride - 1) / stride {
            var index = 0
            func isThere() -> Bool {
                for image in 0..<shape[0] {
                    for channel in 0..<shape[1] {
                        for y in 0..<shape[2] {
                            for x in 0..<shape[3] {
                                let from = channel - before
                                let place = ((image * old[1] + from) * old[2] + y * stride) * old[3] + x * stride
                                guard order[index] == ((0..<old[1]).contains(from) ? Int32(place) : -1) else {
                                    return false
                                }
                                index += 1
                            }
                        }
                    }
                }
                return true
            }
            return isThere() ? (stride, shape) : nil
        }
        return nil
    }
}
