import SutureFormats

extension GraphReading {
    /// Operators whose result depends on no image: sizes that are computed from shapes, mostly.
    mutating func readConstant(_ node: ONNXNode) throws {
        if node.op.hasPrefix("Cast"), case .activation(let value)? = try input(node, 0) {
            guard try targetIsFloat(node) else { throw refusal(node, "what depends on the image stays float32") }
            return define(node, .activation(value))
        }
        define(node, .constant(try result(node)))
    }

    /// Whether a cast is to float32, or to what something is that depends on the image.
    private func targetIsFloat(_ node: ONNXNode) throws -> Bool {
        guard node.op == "CastLike" else { return try node.int("to") == 1 }
        if case .constant(let like)? = try input(node, 1) { return like.floats != nil }
        return true
    }

    private mutating func result(_ node: ONNXNode) throws -> GraphConstant {
        switch node.op {
        case "Constant": return try written(node)
        case "Shape":
            try node.allow("start", "end")
            let shape =
                switch try input(node, 0) {
                case .constant(let value)?: value.shape
                case .activation(let value)?: value.shape
                case nil: throw refusal(node, "input 0 is missing")
                }
            func place(_ index: Int) -> Int { min(max(index < 0 ? index + shape.count : index, 0), shape.count) }
            let (start, end) = (try node.int("start") ?? 0, try node.int("end") ?? shape.count)
            guard abs(start) <= 64, abs(end) <= 64 || end > 0 else { throw refusal(node, "there are no such axes") }
            let kept = place(start) < place(end) ? Array(shape[place(start)..<place(end)]) : []
            return GraphConstant([kept.count], ints: kept)
        case "ConstantOfShape":
            try node.allow("value")
            guard let shape = try ints(node, 0) else { throw refusal(node, "input 0 is missing") }
            try spend(node, shape)
            let value = try node.tensor("value").map { try GraphConstant($0, node.subject) }
            guard let count = GraphMovement.count(shape), value == nil || value?.count == 1 else {
                throw refusal(node, "the value is no number")
            }
            if let number = value?.ints?.first {
                return GraphConstant(shape, ints: Array(repeating: number, count: count))
            }
            return GraphConstant(shape, floats: Array(repeating: value?.floats?.first ?? 0, count: count))
        case "Range":
            try node.allow()
            let bounds = try (0..<3).map { index -> Int in
                guard let number = try required(node, index).ints?.first else {
                    throw refusal(node, "input \(index) is no whole number")
                }
                return number
            }
            guard bounds[2] > 0, bounds.allSatisfy({ abs($0) <= 1 << 24 }) else {
                throw refusal(node, "this range is not read", found: "\(bounds)")
            }
            let numbers = Array(stride(from: bounds[0], to: bounds[1], by: bounds[2]))
            try spend(node, [numbers.count])
            return GraphConstant([numbers.count], ints: numbers)
        case "Cast", "CastLike": return try cast(node, required(node, 0))
        case "Where":
            try node.allow()
            let (condition, first, second) = (try required(node, 0), try required(node, 1), try required(node, 2))
            guard condition.shape == first.shape, first.shape == second.shape, let flags = condition.ints,
                let a = first.ints, let b = second.ints
            else { throw refusal(node, "only whole numbers of one shape are chosen from") }
            return GraphConstant(first.shape, ints: flags.indices.map { flags[$0] != 0 ? a[$0] : b[$0] })
        case "Equal", "Mod":
            try node.allow("fmod")
            guard try (node.int("fmod") ?? 0) == 0 else { throw refusal(node, "this remainder is not read") }
            return try combined(node, required(node, 0), required(node, 1))
        default:
            try node.allow()
            let value = try required(node, 0)
            try spend(node, value.shape)
            if node.op == "Neg", let numbers = value.ints {
                return GraphConstant(value.shape, ints: numbers.map { 0 &- $0 })
            }
            guard let numbers = value.floats else { throw refusal(node, "input 0 has no numbers of this kind") }
            let function: (Float) -> Float =
                switch node.op {
                case "Sqrt": { $0.squareRoot() }
                case "Neg": { -$0 }
                default: { $0.rounded(.down) }
                }
            return GraphConstant(value.shape, floats: numbers.map(function))
        }
    }

    private func written(_ node: ONNXNode) throws -> GraphConstant {
        try node.allow("value", "value_int", "value_ints", "value_float", "value_floats")
        if let tensor = try node.tensor("value") { return try GraphConstant(tensor, node.subject) }
        if let number = try node.int("value_int") { return GraphConstant([], ints: [number]) }
        if let numbers = try node.ints("value_ints") { return GraphConstant([numbers.count], ints: numbers) }
        if let number = try node.float("value_float") { return GraphConstant([], floats: [Float(number)]) }
        guard case .floats(let numbers)? = node.attribute("value_floats") else {
            throw refusal(node, "this constant has no value")
        }
        return GraphConstant([numbers.count], floats: numbers.map { Float($0) })
    }

    private func cast(_ node: ONNXNode, _ value: GraphConstant) throws -> GraphConstant {
        try node.allow("to", "saturate")
        // ONNX's numbers of types.
        switch try node.op == "CastLike" ? (targetIsFloat(node) ? 1 : 7) : node.int("to") {
        case 1, 11:
            return value.floats == nil
                ? GraphConstant(value.shape, floats: (value.ints ?? []).map { Float($0) }) : value
        case 6, 7:
            guard let numbers = value.floats else { return value }
            let whole = numbers.compactMap { Int(exactly: $0.rounded(.towardZero)) }
            guard whole.count == numbers.count else { throw refusal(node, "a number is too large to be whole") }
            return GraphConstant(value.shape, ints: whole)
        case 9:
            guard let numbers = value.ints else { throw refusal(node, "only whole numbers become truth values") }
            return GraphConstant(value.shape, ints: numbers.map { $0 == 0 ? 0 : 1 })
        case let other:
            throw refusal(
                node, "nothing here computes in this type", expected: "float32, or whole numbers",
                found: "ONNX's type \(other.map(String.init) ?? "none")")
        }
    }

    mutating func combined(_ node: ONNXNode, _ first: GraphConstant, _ second: GraphConstant) throws -> GraphConstant {
        if let shape = GraphMovement.common(first.shape, second.shape) { try spend(node, shape) }
        guard let result = GraphConstant.combined(node.op, first, second) else {
            throw refusal(
                node, "these numbers cannot be combined", found: "\(first.shape) and \(second.shape)")
        }
        return result
    }
}
