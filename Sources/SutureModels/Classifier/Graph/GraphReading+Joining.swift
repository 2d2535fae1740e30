import SutureFormats

extension GraphReading {
    /// Numbers behind numbers, or the first token before those of an image.
    mutating func concatenate(_ node: ONNXNode) throws {
        try node.allow("axis")
        guard let axis = try node.int("axis") else { throw refusal(node, "the axis is missing") }
        let parts = try node.inputs.indices.compactMap { try input(node, $0) }
        if parts.count == 2, case .constant(let first) = parts[0], case .activation(let rest) = parts[1] {
            return try prepend(node, first, rest, axis: axis)
        }
        let constants = try parts.map { part -> GraphConstant in
            guard case .constant(let value) = part else {
                throw refusal(node, "this joins what no network that is imported joins")
            }
            return value
        }
        guard let shape = constants.first?.shape else { throw refusal(node, "input 0 is missing") }
        let place = try axes(node, [axis], rank: shape.count)[0]
        var joined = shape
        joined[place] = 0
        for part in constants {
            var other = part.shape
            guard other.count == shape.count else { throw refusal(node, "the shapes do not go together") }
            joined[place] += other[place]
            other[place] = shape[place]
            guard other == shape else { throw refusal(node, "the shapes do not go together") }
        }
        try spend(node, joined)
        let outer = shape[..<place].reduce(1, *)
        func interleaved<Element>(_ lists: [[Element]]) -> [Element] {
            (0..<outer).flatMap { block in
                lists.flatMap { list in
                    list[(block * list.count / outer)..<((block + 1) * list.count / outer)]
                }
            }
        }
        let ints = constants.compactMap(\.ints)
        if ints.count == constants.count {
            return define(node, .constant(GraphConstant(joined, ints: interleaved(ints))))
        }
        let floats = constants.compactMap(\.floats)
        guard floats.count == constants.count else { throw refusal(node, "whole and other numbers do not go together") }
        define(node, .constant(GraphConstant(joined, floats: interleaved(floats))))
    }

    /// `[batch, 1, width]` before the pixels of a convolution as tokens.
    private mutating func prepend(_ node: ONNXNode, _ first: GraphConstant, _ rest: Activation, axis: Int) throws {
        let (step, shape) = (steps[rest.step], steps[rest.step].shape)
        guard case .convolution = step.kind, rest.shape.count == 3, try axes(node, [axis], rank: 3) == [1],
            case (let batch, let width, let count) = (shape[0], shape[1], shape[2] * shape[3]),
            rest.shape == [batch, count, width],
            first.shape == [batch, 1, width], let numbers = first.floats, let order = rest.order,
            (0..<batch).allSatisfy({ numbers[($0 * width)..<(($0 + 1) * width)].elementsEqual(numbers[..<width]) }),
            order.indices.allSatisfy({ index in
                let (image, token, channel) = (index / (count * width), index / width % count, index % width)
                return order[index] == Int32((image * width + channel) * count + token)
            })
        else { throw refusal(node, "this joins what no network that is imported joins", found: "\(rest.shape)") }
        let token = GraphConstant([1, 1, width], floats: Array(numbers[..<width]))
        define(node, .afterFirst(rest.step, token), [batch, count + 1, width])
    }

    /// Zeros around.
    mutating func pad(_ node: ONNXNode) throws {
        try node.allow("mode")
        let (value, pads) = (try activation(node), try ints(node, 1) ?? [])
        let rank = value.shape.count
        let places = try axes(node, try ints(node, 3) ?? Array(0..<rank), rank: rank)
        guard try (node.text("mode") ?? "constant") == "constant",
            try constant(node, 2).map({ $0.number == 0 }) ?? true,
            pads.count == 2 * places.count, pads.allSatisfy({ (0...(1 << 16)).contains($0) })
        else { throw refusal(node, "only zeros are added around an image", found: "\(pads)") }
        var (shape, before) = (value.shape, [Int](repeating: 0, count: rank))
        for (index, axis) in places.enumerated() {
            before[axis] = pads[index]
            shape[axis] += pads[index] + pads[places.count + index]
        }
        try spend(node, shape)
        let strides = GraphMovement.strides(shape)
        let offset = zip(before, strides).reduce(0) { $0 + $1.0 * $1.1 }
        let inside = GraphMovement(value.shape, strides: strides, offset: offset)
        var source = [Int32](repeating: -1, count: shape.reduce(1, *))
        for (index, place) in inside.source.enumerated() { source[Int(place)] = Int32(index) }
        define(node, .activation(moved(value, GraphMovement(shape: shape, source: source), node)))
    }

    /// What an image became, laid into zeros: how PyTorch's assignment to a slice is exported.
    mutating func scatter(_ node: ONNXNode) throws {
        try node.allow("reduction")
        let (zeros, indices) = (try required(node, 0), try required(node, 1))
        let updates = try activation(node, 2)
        guard try (node.text("reduction") ?? "none") == "none", let numbers = zeros.floats,
            numbers.allSatisfy({ $0 == 0 }), let places = indices.ints, let depth = indices.shape.last,
            (1...zeros.shape.count).contains(depth)
        else { throw refusal(node, "only into zeros is anything laid") }
        let part = zeros.shape[depth...].reduce(1, *)
        let strides = GraphMovement.strides(zeros.shape)
        guard updates.shape == indices.shape.dropLast() + zeros.shape[depth...] else {
            throw refusal(node, "the shapes do not go together", found: "\(updates.shape) at \(indices.shape)")
        }
        var source = [Int32](repeating: -1, count: numbers.count)
        for row in 0..<places.count / depth {
            var start = 0
            for axis in 0..<depth {
                let index = places[row * depth + axis]
                guard (0..<zeros.shape[axis]).contains(index) else { throw refusal(node, "an index is out of range") }
                start += index * strides[axis]
            }
            for element in 0..<part { source[start + element] = Int32(row * part + element) }
        }
        define(node, .activation(moved(updates, GraphMovement(shape: zeros.shape, source: source), node)))
    }
}
