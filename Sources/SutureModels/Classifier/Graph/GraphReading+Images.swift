import SutureFormats

extension GraphReading {
    /// The layers of convolutional networks, `[batch, channels, height, width]`.
    mutating func readImageLayer(_ node: ONNXNode) throws {
        switch node.op {
        case "Conv": try convolve(node)
        case "BatchNormalization": try normalise(node)
        case "MaxPool":
            try node.allow(
                "kernel_shape", "strides", "pads", "dilations", "ceil_mode", "auto_pad", "storage_order")
            let (value, shape) = try image(node)
            let window = try window(node, size: node.ints("kernel_shape") ?? [])
            define(
                node, .maxPool(value.step, size: window.size, stride: window.stride, padding: window.padding),
                [shape[0], shape[1], try window.slide(shape[2], node, self), try window.slide(shape[3], node, self)])
        case "AveragePool": try average(node)
        case "GlobalAveragePool":
            try node.allow()
            let (value, shape) = try image(node)
            define(node, .averagePool(value.step), [shape[0], shape[1], 1, 1])
        default: try mean(node)
        }
    }

    /// An image, as the step before gave it.
    private func image(_ node: ONNXNode) throws -> (Activation, [Int]) {
        let value = try activation(node)
        let step = steps[value.step]
        guard value.order == nil, value.shape == step.shape, step.shape.count == 4 else {
            throw refusal(
                node, "what this reads is no image, or its pixels were moved",
                found: "\(step.title), seen as \(value.shape)")
        }
        return (value, step.shape)
    }

    private mutating func convolve(_ node: ONNXNode) throws {
        try node.allow("kernel_shape", "strides", "pads", "dilations", "group", "auto_pad")
        let ((value, shape), weight) = (try image(node), try required(node, 1))
        guard weight.shape.count == 4, weight.shape[1] == shape[1], try (node.int("group") ?? 1) == 1,
            try node.ints("kernel_shape").map({ $0 == Array(weight.shape[2...]) }) ?? true
        else {
            throw refusal(
                node, "only plain convolutions are in the networks that are imported",
                expected: "[outputs, \(shape[1]), side, side] in one group", found: "\(weight.shape)")
        }
        let window = try window(node, size: Array(weight.shape[2...]))
        let bias = try constant(node, 2)
        guard bias.map({ $0.shape == [weight.shape[0]] }) ?? true else {
            throw refusal(node, "the bias has another shape")
        }
        define(
            node,
            .convolution(value.step, weight: weight, bias: bias, stride: window.stride, padding: window.padding),
            [
                shape[0], weight.shape[0], try window.slide(shape[2], node, self),
                try window.slide(shape[3], node, self)
            ])
    }

    private mutating func normalise(_ node: ONNXNode) throws {
        try node.allow("epsilon", "momentum", "training_mode")
        let (value, shape) = try image(node)
        let parts = try (1...4).map { try required(node, $0) }
        guard try (node.int("training_mode") ?? 0) == 0 else {
            throw refusal(node, "the network was exported as it is in training", expected: "network.eval()")
        }
        try require(node, epsilon: ClassifierForward.epsilon, standard: 1e-5)
        guard parts.allSatisfy({ $0.shape == [shape[1]] }) else {
            throw refusal(node, "there is not one number a channel")
        }
        define(node, .batchNorm(value.step, parts), shape)
    }

    /// Throws unless what is added to variances is what every network here adds, up to rounding to float32.
    func require(_ node: ONNXNode, epsilon: Double, standard: Double) throws {
        let found = try node.float("epsilon") ?? standard
        guard abs(found - epsilon) <= 1e-4 * epsilon else {
            throw refusal(
                node, "networks that are imported add another epsilon to variances", expected: "\(epsilon)",
                found: "\(Float(found))")
        }
    }

    private mutating func average(_ node: ONNXNode) throws {
        try node.allow(
            "kernel_shape", "strides", "pads", "dilations", "ceil_mode", "auto_pad", "count_include_pad")
        let (value, shape) = try image(node)
        let (kernel, pads) = (try node.ints("kernel_shape") ?? [], try node.ints("pads") ?? [])
        guard kernel.count == 2, kernel.allSatisfy({ $0 > 0 }), pads.allSatisfy({ $0 == 0 }),
            try (node.text("auto_pad") ?? "NOTSET") == "NOTSET",
            try (node.ints("dilations") ?? []).allSatisfy({ $0 == 1 }), shape[2] % kernel[0] == 0,
            shape[3] % kernel[1] == 0
        else { throw refusal(node, "only windows that tile the image are averaged") }
        let sides = [shape[2] / kernel[0], shape[3] / kernel[1]]
        guard try sides == [1, 1] || (node.ints("strides") ?? [1, 1]) == kernel, sides[0] == sides[1] else {
            throw refusal(node, "only windows that tile the image are averaged", found: "\(kernel) of \(shape[2...])")
        }
        if kernel == [1, 1] { return define(node, .activation(value)) }
        guard !size.isOpen else {
            throw refusal(
                node, "this averages windows of one size whatever the size of the images",
                expected: "images of one size",
                found: "a height or width that is left open")
        }
        define(node, .averagePool(value.step), [shape[0], shape[1], sides[0], sides[1]])
    }

    /// The mean of an image, or of each row: a part of a layer norm.
    private mutating func mean(_ node: ONNXNode) throws {
        try node.allow("axes", "keepdims", "noop_with_empty_axes")
        let value = try activation(node)
        let (rank, keeps) = (value.shape.count, try (node.int("keepdims") ?? 1) != 0)
        let axes = try axes(node, try ints(node, 1, or: "axes") ?? [], rank: rank).sorted()
        let shape = steps[value.step].shape
        if axes == [2, 3], rank == 4 {
            let (value, shape) = try image(node)
            let result = [shape[0], shape[1], 1, 1]
            return define(node, .averagePool(value.step), result, seenAs: (keeps ? result : Array(result[..<2]), nil))
        }
        guard axes == [rank - 1], keeps, value.order == nil, value.shape.last == shape.last else {
            throw refusal(node, "this mean is in no network that is imported", found: "axes \(axes) of \(value.shape)")
        }
        let (base, function, _) = pointwise(value.step)
        let result = (shape.dropLast() + [1], value.shape.dropLast() + [1])
        if case .centred(let whole) = steps[base].kind, Self.agree(function, { $0 * $0 }) {
            return define(node, .rowVariance(whole), Array(result.0), seenAs: (Array(result.1), nil))
        }
        define(node, .rowMean(value.step), Array(result.0), seenAs: (Array(result.1), nil))
    }
}

/// A square window that slides over an image.
struct GraphWindow {
    let size: Int
    let stride: Int
    let padding: Int

    /// How often it fits; throws where it does not.
    func slide(_ length: Int, _ node: ONNXNode, _ reading: GraphReading) throws -> Int {
        guard length + 2 * padding >= size else {
            throw reading.refusal(node, "the image is smaller than the window", expected: "\(size)", found: "\(length)")
        }
        return (length + 2 * padding - size) / stride + 1
    }
}

extension GraphReading {
    /// What the attributes of a convolution or a pooling say; throws for windows that no network here has.
    fileprivate func window(_ node: ONNXNode, size: [Int]) throws -> GraphWindow {
        let (strides, pads) = (try node.ints("strides") ?? [1, 1], try node.ints("pads") ?? [0, 0, 0, 0])
        let (dilations, ceil) = (try node.ints("dilations") ?? [1, 1], try node.int("ceil_mode") ?? 0)
        guard size.count == 2, size[0] == size[1], (1...4096).contains(size[0]), strides.count == 2,
            strides[0] == strides[1], (1...4096).contains(strides[0]), pads.count == 4, Set(pads).count == 1,
            (0...4096).contains(pads[0]), dilations.allSatisfy({ $0 == 1 }), ceil == 0,
            try (node.text("auto_pad") ?? "NOTSET") == "NOTSET"
        else {
            throw refusal(
                node, "windows of this form are in no network that is imported",
                expected: "square, with equal steps and pads",
                found: "\(size), strides \(strides), pads \(pads), dilations \(dilations), ceil_mode \(ceil)")
        }
        return GraphWindow(size: size[0], stride: strides[0], padding: pads[0])
    }
}
