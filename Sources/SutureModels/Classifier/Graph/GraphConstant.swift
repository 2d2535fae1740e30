import SutureFormats

/// Numbers of a graph that depend on no image: weights, and sizes that are computed from shapes.
struct GraphConstant {
    private enum Elements {
        case floats([Float])
        case ints([Int])
        /// As the file has them, until somebody asks.
        case stored(ONNXTensor)
    }

    let shape: [Int]
    private let elements: Elements

    init(_ shape: [Int], floats: [Float]) { (self.shape, elements) = (shape, .floats(floats)) }

    init(_ shape: [Int], ints: [Int]) { (self.shape, elements) = (shape, .ints(ints)) }

    /// - Throws: ``ModelError`` with code `unsupported` for a type in which no network here computes.
    init(_ tensor: ONNXTensor, _ subject: String) throws {
        switch tensor.type {
        case .float16, .bfloat16:
            throw ModelError(
                .unsupported, "this network computes in \(tensor.type.name)", subject: subject, expected: "float32",
                hint: "export it before it is converted: model.float()")
        case .float32, .float64, .int32, .int64, .bool: break
        }
        (shape, elements) = (tensor.shape, .stored(tensor))
    }

    var count: Int { shape.reduce(1, *) }

    /// Whether the file has the elements, and nothing here.
    var isStored: Bool { if case .stored = elements { true } else { false } }

    /// The elements; nil where they are whole numbers.
    var floats: [Float]? {
        switch elements {
        case .floats(let values): values
        case .ints: nil
        case .stored(let tensor): tensor.floats
        }
    }

    /// The elements; nil where they are no whole numbers.
    var ints: [Int]? {
        switch elements {
        case .ints(let values): values
        case .floats: nil
        case .stored(let tensor): tensor.ints
        }
    }

    /// The only element; nil where there are more.
    var number: Double? {
        guard count == 1 else { return nil }
        return floats.map { Double($0[0]) } ?? ints.map { Double($0[0]) }
    }

    /// The same elements in another shape of as many.
    func reshaped(_ shape: [Int]) -> GraphConstant {
        floats.map { GraphConstant(shape, floats: $0) } ?? GraphConstant(shape, ints: ints ?? [])
    }

    func moved(_ movement: GraphMovement) -> GraphConstant {
        if let values = floats {
            return GraphConstant(movement.shape, floats: movement.source.map { $0 < 0 ? 0 : values[Int($0)] })
        }
        let values = ints ?? []
        return GraphConstant(movement.shape, ints: movement.source.map { $0 < 0 ? 0 : values[Int($0)] })
    }

    /// The result of an operator on two, each broadcast to the shape of both; nil where it is none.
    static func combined(_ op: String, _ first: GraphConstant, _ second: GraphConstant) -> GraphConstant? {
        guard let shape = GraphMovement.common(first.shape, second.shape),
            let left = GraphMovement.broadcasting(first.shape, to: shape).map(first.moved),
            let right = GraphMovement.broadcasting(second.shape, to: shape).map(second.moved)
        else { return nil }
        if let a = left.ints, let b = right.ints {
            let results = zip(a, b).compactMap { combined(op, $0, $1) }
            return results.count == a.count ? GraphConstant(shape, ints: results) : nil
        }
        guard let a = left.floats, let b = right.floats, let function = GraphReading.arithmetic[op] else { return nil }
        return GraphConstant(shape, floats: zip(a, b).map { Float(function(Double($0), Double($1))) })
    }

    private static func combined(_ op: String, _ a: Int, _ b: Int) -> Int? {
        let (result, overflow) =
            switch op {
            case "Add": a.addingReportingOverflow(b)
            case "Sub": a.subtractingReportingOverflow(b)
            case "Mul": a.multipliedReportingOverflow(by: b)
            case "Div": a.dividedReportingOverflow(by: b)
            case "Mod": a.remainderReportingOverflow(dividingBy: b)
            case "Equal": (a == b ? 1 : 0, false)
            default: (0, true)
            }
        // The remainder has the sign of the divisor in ONNX.
        if op == "Mod", !overflow, result != 0, (result < 0) != (b < 0) { return result + b }
        return overflow ? nil : result
    }
}
