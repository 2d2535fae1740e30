/// Weights of eight bits with scales beside them, as FP8 snapshots have them: presented as the float32 that they stand for.
struct ScaledWeights: Sendable {
    let directory: SnapshotDirectory
    /// The configuration without what it says of the eight bits.
    let config: JSON
    private let block: [Int]?

    private static let endings = [".weight_scale_inv", ".weight_scale"]

    /// Nil for a snapshot whose configuration says nothing of FP8.
    ///
    /// - Throws: ``FormatError`` for blocks that cannot be.
    init?(_ directory: SnapshotDirectory) throws {
        guard let settings = try directory.config.optional("quantization_config"), settings.value.objectValue != nil,
            let method = settings.value["quant_method"]?.stringValue,
            method == "fp8"
                || method == "compressed-tensors" && settings.value["format"]?.stringValue == "float-quantized",
            directory.tensors.contains(where: { $0.value.entry.type == .float8E4M3 })
        else { return nil }
        self.directory = directory
        block = try settings.optional("weight_block_size")?.array.map { try $0.int }
        if let block, block.count != 2 || !block.allSatisfy((1...1 << 20).contains) {
            throw FormatError(
                .malformedMetadata, "impossible blocks", subject: "\(settings.path).weight_block_size",
                expected: "two sizes", found: "\(block)")
        }
        var object = JSONObject()
        for (key, value) in try directory.config.object where key != "quantization_config" { object.append(key, value) }
        for key: ByteString in ["dtype", "torch_dtype"] where object[key] != nil { object[key] = "float32" }
        config = .object(object)
    }

    /// The tensors without the scales.
    var tensors: [Checkpoint.Tensor] {
        directory.tensors.compactMap { name, tensor in
            let isScale = Self.endings.contains { name.string.hasSuffix($0) } || name.string.hasSuffix(".input_scale")
            guard !isScale else { return nil }
            let entry = tensor.entry
            return .init(
                name: entry.name, type: entry.type == .float8E4M3 ? .float32 : entry.type, shape: entry.shape)
        }
    }

    /// The elements of a tensor: eight bits times their scale, the others as they are.
    func data(of name: String) throws -> TensorData? {
        guard let stored = directory[name] else { return nil }
        guard stored.entry.type == .float8E4M3 else { return TensorData(stored.bytes) }
        let shape = stored.entry.shape
        guard shape.count == 2, name.hasSuffix(".weight"),
            let scale = Self.endings.lazy.compactMap({ directory[name.dropLast(7) + $0] }).first
        else {
            throw FormatError(
                .missingTensor, "the scale of a tensor of eight bits is missing", subject: name,
                expected: "\(name)_scale_inv or \(name)_scale")
        }
        let (rows, columns) = (shape[0], shape[1])
        let grid = try self.grid(scale, rows: rows, columns: columns)
        let scales = scale.bytes.withUnsafeBytes { bytes in
            (0..<grid.rows * grid.columns).map { scale.entry.type.load(bytes, at: $0) }
        }
        let values = Self.values
        return TensorData(count: rows * columns) { output in
            stored.bytes.withUnsafeBytes { bytes in
                for row in 0..<rows {
                    for column in 0..<columns {
                        let index = row * columns + column
                        let factor = scales[row / grid.block.0 * grid.columns + column / grid.block.1]
                        output[index] = values[Int(bytes[index])] * factor
                    }
                }
            }
        }
    }

    /// How the scales lie over a matrix: one for all, one for each row, or one for each block.
    private func grid(
        _ scale: SnapshotDirectory.Tensor, rows: Int, columns: Int
    ) throws -> (rows: Int, columns: Int, block: (Int, Int)) {
        let shape = scale.entry.shape
        let count = shape.reduce(1, *)
        var expected = "1, or \(rows) of rows"
        if scale.entry.type.isPatchable {
            if let block {
                let grid = ((rows + block[0] - 1) / block[0], (columns + block[1] - 1) / block[1])
                if shape == [grid.0, grid.1] { return (grid.0, grid.1, (block[0], block[1])) }
                expected = "\(grid.0) x \(grid.1)"
            } else if count == 1 {
                return (1, 1, (max(rows, 1), max(columns, 1)))
            } else if count == rows, shape.first == rows {
                return (rows, 1, (1, max(columns, 1)))
            }
        }
        throw FormatError(
            .sizeMismatch, "the scales do not fit their tensor", subject: scale.entry.name, expected: expected,
            found: "\(scale.entry.type.rawValue)\(shape)")
    }

    /// What each byte stands for: sign, four bits of exponent, three of mantissa, no infinity.
    private static let values: [Float] = (0..<256).map { byte in
        let (exponent, mantissa) = (byte >> 3 & 15, byte & 7)
        if byte & 127 == 127 { return .nan }
        let magnitude =
            exponent == 0
            ? Float(sign: .plus, exponent: -9, significand: Float(mantissa))
            : Float(sign: .plus, exponent: exponent - 10, significand: Float(8 + mantissa))
        return byte < 128 ? magnitude : -magnitude
    }
}
