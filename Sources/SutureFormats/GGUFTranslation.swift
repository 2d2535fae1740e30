/// A GGUF file seen as the Hugging Face snapshot it was converted from.
struct GGUFTranslation: Sendable {
    let file: GGUFFile
    let config: JSON
    let tensors: [Tensor]

    init(file: GGUFFile, config: JSON, tensors: [Tensor]) {
        (self.file, self.config, self.tensors) = (file, config, tensors)
    }

    /// - Throws: ``FormatError`` for a family or a setting that is not supported, and for a tensor that the family does
    ///   not have, or in another shape than the settings ask for.
    init(_ file: GGUFFile) throws {
        self.file = file
        var settings = try GGUFSettings(file)
        let sizes = try GGUFSizes(&settings)
        config = try Self.config(&settings, sizes)
        try settings.checkRest()
        let family = settings.family
        tensors = try file.tensors.filter { !Self.rotaryTensors.contains($0.key) || family.rotary == .none }
            .flatMap { try Tensor.all(of: $0.value, in: file, family, sizes) }
    }

    /// The elements in the original's order, as float32.
    func data(of tensor: Tensor) throws -> TensorData {
        // Whoever wants the numbers again keeps them; the quantized ones would be memory beside them.
        defer { file.bytes(of: tensor.stored).leaveMemory() }
        return try TensorData(count: tensor.shape.reduce(1, *)) { values in
            try read(tensor, rows: 0..<tensor.rowCount, into: values)
        }
    }

    /// Some rows of the original, as float32; a tensor of one dimension is one row.
    func read(_ tensor: Tensor, rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>) throws {
        let stored = tensor.stored
        switch tensor.layout {
        case .same:
            try file.dequantize(stored, rows: rows, into: values)
        case .oneAdded:
            for (index, value) in try file.dequantize(stored).enumerated() { values[index] = value - 1 }
        case .permuted(let order) where stored.shape.count == 1:
            for (row, value) in try file.dequantize(stored).enumerated() { values[order.original(row)] = value }
        case .permuted(let order):
            let width = stored.rowLength
            for row in 0..<stored.rowCount {
                let target = order.original(row)
                guard rows.contains(target) else { continue }
                let start = (target - rows.lowerBound) * width
                let part = UnsafeMutableBufferPointer(rebasing: values[start..<start + width])
                try file.dequantize(stored, rows: row..<row + 1, into: part)
            }
        case .transposed:
            let (matrix, width) = (try file.dequantize(stored), stored.rowLength)
            for (index, column) in rows.enumerated() {
                for row in 0..<stored.rowCount {
                    values[index * stored.rowCount + row] = matrix[row * width + column]
                }
            }
        }
    }
}

// MARK: - Tensors

extension GGUFTranslation {
    /// A stored tensor that has a place in the snapshot, and the shape that belongs there.
    struct Tensor: Sendable {
        let name: String
        let shape: [Int]
        let stored: GGUFFile.Tensor
        let layout: Layout

        /// How many rows the original has; one of one dimension is a row.
        var rowCount: Int { shape.dropLast().reduce(1, *) }
    }

    /// How the rows of a stored tensor stand to those of the original.
    enum Layout: Sendable, Equatable {
        case same
        case permuted(RowOrder)
        case transposed
        case oneAdded
    }

    /// Where the rows of a stored tensor stand in the original.
    enum RowOrder: Sendable, Equatable {
        /// Stored row (head, pair, half) is original row (head, half, pair); a head's width is even and divides the rows.
        case interleaved(headWidth: Int)
        /// Stored row (third, head, channel) is original row (head, third, channel).
        case headByHead(heads: Int, headWidth: Int)

        func original(_ row: Int) -> Int {
            switch self {
            case .interleaved(let width):
                let inHead = row % width
                return row - inHead + inHead % 2 * (width / 2) + inHead / 2
            case .headByHead(let heads, let width):
                let (third, rest) = row.quotientAndRemainder(dividingBy: heads * width)
                let (head, channel) = rest.quotientAndRemainder(dividingBy: width)
                return (head * 3 + third) * width + channel
            }
        }
    }
}

extension GGUFTranslation.Tensor {
    /// - Throws: ``FormatError`` for a tensor that the family does not have, of a layer that is not announced, of no
    ///   type of weights, or of another shape than the settings ask for.
    init(_ stored: GGUFFile.Tensor, in file: GGUFFile, _ family: GGUFFamily, _ sizes: GGUFSizes) throws {
        let subject = "\(file.file.name): \(stored.name)"
        var parts = stored.name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let suffix = parts.removeLast()
        let layer = parts.count == 3 && parts[0] == "blk" ? parts.remove(at: 1) : nil
        guard let role = family.roles[parts.joined(separator: ".")], parts[0] == "blk" ? layer != nil : layer == nil,
            suffix == "weight" || suffix == "bias" && role.mayHaveBias
        else {
            throw FormatError(
                .unsupportedModel, "this tensor has no place in the family \(family.name)", subject: subject)
        }
        if let layer {
            guard let number = Int(layer), String(number) == layer, (0..<sizes.layers).contains(number) else {
                throw FormatError(
                    .unsupportedModel, "this tensor is of a layer that the model does not have", subject: subject,
                    expected: "0..<\(sizes.layers), by \(family.name).block_count", found: layer)
            }
        }
        let full = role.shape.map { sizes[$0] }
        let expected = suffix == "bias" ? [full[0]] : full
        guard stored.shape == expected else {
            throw FormatError(
                .sizeMismatch, "the tensor has another shape than the settings ask for", subject: subject,
                expected: "\(expected)", found: "\(stored.shape)")
        }
        guard stored.type.isWeight else {
            throw FormatError(
                .unknownType, "tensors of this type are not weights", subject: subject, found: stored.type.name)
        }
        let pieces = role.name.split(separator: "{}", omittingEmptySubsequences: false)
        name = pieces.joined(separator: layer ?? "") + "." + suffix
        self.stored = stored
        switch role.order {
        case .queryHeads, .keyHeads: layout = .permuted(.interleaved(headWidth: sizes.headWidth))
        case .headByHead: layout = .permuted(.headByHead(heads: sizes.heads, headWidth: sizes.headWidth))
        case .transposed where suffix == "weight": layout = .transposed
        case .oneAdded where suffix == "weight": layout = .oneAdded
        case .transposed, .same, .oneAdded: layout = .same
        }
        shape = layout == .transposed ? expected.reversed() : expected
    }
}

// MARK: - The other way

extension GGUFTranslation {
    /// Where a GGUF file has a matrix of a snapshot: of which family, under which name, in which order of rows, and
    /// whether the other way round.
    struct Place {
        let family, name: String
        var order: RowOrder?
        var isTransposed = false
    }

    static func place(of tensor: String, config: JSONField) throws -> Place {
        let modelType = try config.require("model_type").string
        let parts = tensor.split(separator: ".").map(String.init)
        let layer = parts.first { Int($0) != nil } ?? ""
        let plain = parts.dropLast().map { $0 == layer ? "{}" : $0 }.joined(separator: ".")
        // Published snapshots of some families have no prefix.
        let spellings = [plain] + ["transformer.", "model.", "gpt_neox."].map { $0 + plain }
        guard let family = GGUFFamily.of(modelType: modelType), let suffix = parts.last,
            let (kind, role) = family.roles.first(where: { spellings.contains($0.value.name) })
        else {
            throw FormatError(
                .unsupportedModel, "this tensor has no name in GGUF files of the family \(modelType)", subject: tensor)
        }
        let name = kind.hasPrefix("blk.") ? "blk.\(layer).\(kind.dropFirst(4)).\(suffix)" : "\(kind).\(suffix)"
        func headWidth() throws -> Int {
            let heads = try config.require(family.sizeNames == .gpt2 ? "n_head" : "num_attention_heads").int
            if let stored = try config.optional("head_dim")?.int { return stored }
            let width = try config.require(family.sizeNames == .gpt2 ? "n_embd" : "hidden_size").int
            return heads > 0 ? width / heads : 0
        }
        var place = Place(family: family.name, name: name)
        switch role.order {
        case .queryHeads, .keyHeads: place.order = .interleaved(headWidth: try headWidth())
        case .headByHead:
            place.order = .headByHead(
                heads: try config.require("num_attention_heads").int, headWidth: try headWidth())
        case .transposed: place.isTransposed = true
        case .same, .oneAdded: break
        }
        return place
    }
}
