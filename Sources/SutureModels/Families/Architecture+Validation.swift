import SutureFormats

extension Architecture {
    /// The description of a model's files, all of which are as it needs them. This reads no weights.
    ///
    /// Throws ``ModelError`` with code `unsupported` or `badWeights`, and a `FormatError` for a field of the configuration
    /// that is missing or of the wrong type.
    public init(_ checkpoint: Checkpoint) throws {
        self = try Architecture(config: checkpoint.config.value, source: checkpoint.config.path).fitted(to: checkpoint)
    }

    /// The same with the prefix of the checkpoint's names; throws unless the tensors it needs are there, each of its shape.
    func fitted(to checkpoint: Checkpoint) throws -> Architecture {
        var result = try prefixed { checkpoint[$0] != nil }
        if tiedHead, checkpoint[tensors.head.tensor + ".weight"] != nil {
            result.tiedHead = try !checkpoint.hasOwnHead()
        }
        for needed in result.neededTensors(in: 0..<layers) {
            guard let tensor = checkpoint[needed.name] else { throw needed.missing }
            guard tensor.type.isWeight else {
                throw ModelError(
                    .badWeights, "the tensor is stored in a type that weights are not read from", subject: needed.name,
                    expected: "F32, F16, BF16 or F64", found: tensor.type.rawValue)
            }
            try needed.check(tensor.shape)
        }
        return result
    }

    /// Whether there is such a family of decoders, supported with these settings or not.
    public static func isFamily(_ config: JSONField) -> Bool {
        config.value["model_type"]?.stringValue.map { families[$0] != nil } ?? false
    }

    /// More layers than any model has.
    static let layerLimit = 1024

    /// Throws unless a network can be built and computed with these numbers: all that loading relies on.
    func validate(_ source: String) throws {
        func check<Number: Comparable>(_ what: String, _ value: Number, _ range: ClosedRange<Number>) throws {
            guard range.contains(value) else {
                throw ModelError(
                    .unsupported, "\(what) out of range", subject: source,
                    expected: "\(range.lowerBound)...\(range.upperBound)", found: "\(value)")
            }
        }
        try check("layers is", layers, 1...Self.layerLimit)
        try check("width is", width, 1...1 << 20)
        try check("heads is", heads, 1...1 << 16)
        try check("key and value heads is", keyValueHeads, 1...1 << 16)
        try check("head width is", headWidth, 1...1 << 16)
        try check("hidden width is", hiddenWidth, 1...1 << 22)
        try check("vocabulary is", vocabulary, 1...1 << 24)
        try check("context length is", contextLength, 1...1 << 28)
        try check("the epsilon of the norms is", epsilon, Double(Float.leastNormalMagnitude)...1)
        if let window { try check("the sliding window is", window, 1...1 << 28) }
        guard heads % keyValueHeads == 0 else {
            throw ModelError(
                .unsupported, "heads cannot be shared out", subject: source,
                expected: "a multiple of \(keyValueHeads) key-value heads", found: "\(heads)")
        }
        for case .rotary(let rotary)? in [positions, windowedPositions] {
            guard 2 * rotary.frequencies.count <= headWidth else {
                throw ModelError(
                    .unsupported, "more channels are rotated than a head has", subject: source,
                    expected: "\(headWidth) at most", found: "\(2 * rotary.frequencies.count)")
            }
            // In radians a position, computed with as float32.
            for frequency in rotary.frequencies {
                try check("a frequency of the rotary positions is", frequency, Double(Float.leastNormalMagnitude)...1e6)
            }
            try check("the scale of the rotary positions is", rotary.scale, 1e-6...1e9)
        }
    }
}

// MARK: - Tensors

extension Architecture {
    /// A tensor that a checkpoint must have.
    struct NeededTensor {
        let name: String
        let shape: [Int]

        var missing: ModelError {
            ModelError(.badWeights, "a tensor of the architecture is missing", subject: name, expected: "\(shape)")
        }

        func check(_ found: [Int]) throws {
            guard found == shape else {
                throw ModelError(
                    .badWeights, "the tensor has another shape than the configuration asks for", subject: name,
                    expected: "\(shape)", found: "\(found)")
            }
        }
    }

    /// The same with the first prefix of its tensors' names under which the embeddings are there.
    func prefixed(_ exists: (String) -> Bool) throws -> Architecture {
        guard let prefix = tensors.prefixes.first(where: { exists($0 + tensors.embedding) }) else {
            throw ModelError(
                .badWeights, "the token embeddings are missing",
                expected: tensors.prefixes.map { $0 + tensors.embedding }.joined(separator: " or "))
        }
        var result = self
        result.tensors.prefix = prefix
        return result
    }

    /// The tensors of some layers, and those outside of all layers.
    func neededTensors(in layers: some Sequence<Int>) -> [NeededTensor] {
        var needed = [NeededTensor(name: tensors.name(tensors.embedding), shape: [vocabulary, width])]
        if let table = tensors.positions {
            needed.append(NeededTensor(name: tensors.name(table), shape: [contextLength, width]))
        }
        needed += neededNorm(tensors.finalNorm, 0, width)
        let head = tensors.head.tensor
        if !tiedHead { needed.append(NeededTensor(name: head + ".weight", shape: [vocabulary, width])) }
        if tensors.head.bias { needed.append(NeededTensor(name: head + ".bias", shape: [vocabulary])) }
        return layers.reduce(into: needed) { $0 += neededTensors(ofLayer: $1) }
    }

    private func neededTensors(ofLayer layer: Int) -> [NeededTensor] {
        let (queries, keys) = (heads * headWidth, keyValueHeads * headWidth)
        var needed: [NeededTensor] = []
        for (norm, size) in [
            (tensors.attentionNorm, width), (tensors.mlpNorm, width), (tensors.attentionOutNorm, width),
            (tensors.mlpOutNorm, width), (tensors.queryNorm, normsHeadsTogether ? queries : headWidth),
            (tensors.keyNorm, normsHeadsTogether ? keys : headWidth)
        ] {
            if let norm { needed += neededNorm(norm, layer, size) }
        }
        for (projection, input, output) in [
            (tensors.query, width, queries), (tensors.key, width, keys), (tensors.value, width, keys),
            (tensors.output, queries, width), (tensors.gate, width, hiddenWidth), (tensors.up, width, hiddenWidth),
            (tensors.down, hiddenWidth, width)
        ] {
            guard let projection else { continue }
            let name = tensors.name(projection.tensor, layer: layer)
            let stored = projection.part?.stored(output) ?? output
            let shape = projection.orientation == .outIn ? [stored, input] : [input, stored]
            needed.append(NeededTensor(name: name + ".weight", shape: shape))
            if projection.bias { needed.append(NeededTensor(name: name + ".bias", shape: [stored])) }
        }
        return needed
    }

    private func neededNorm(_ template: String, _ layer: Int, _ width: Int) -> [NeededTensor] {
        let name = tensors.name(template, layer: layer)
        return (norm == .layer ? [".weight", ".bias"] : [".weight"]).map {
            NeededTensor(name: name + $0, shape: [width])
        }
    }
}

extension StorageType {
    /// Whether tensors of this type are weights of a network.
    var isWeight: Bool { isPatchable || self == .float64 }
}
