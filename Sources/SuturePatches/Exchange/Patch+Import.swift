import Foundation
import SutureFormats

extension Patch {
    /// The patch that an adapter or a file of plain differences is.
    ///
    /// Read are the directories of LoRA adapters of PEFT (`adapter_model.safetensors`; alpha over rank, rank-stabilized
    /// scaling, alphas by pattern, `fan_in_fan_out`, embeddings) and of mlx-lm (`adapters.safetensors`), and safetensors
    /// files of what is to be added, by the names of the model's tensors.
    ///
    /// - Throws: ``PatchError`` that names whatever has no place in a patch: nothing is left out in silence.
    public init(importing url: URL, base: Checkpoint) throws {
        let config = url.appending(path: "adapter_config.json")
        let changes: [Edit]
        if FileManager.default.fileExists(atPath: config.path) {
            let field = JSONField(try JSON.parse(contentsOf: config), source: config.relativePath)
            let peft = url.appending(path: "adapter_model.safetensors")
            changes =
                FileManager.default.fileExists(atPath: peft.path)
                ? try ImportedAdapter(SafetensorsFile(peft), base).peft(field)
                : try ImportedAdapter(SafetensorsFile(url.appending(path: "adapters.safetensors")), base).mlx(field)
        } else {
            changes = try Self.plain(SafetensorsFile(url), base)
        }
        let options: JSON = ["file": JSON(url.lastPathComponent)]
        try self.init(changes, of: base, method: Method(name: "import", options: options))
    }

    private static func plain(_ file: SafetensorsFile, _ base: Checkpoint) throws -> [Edit] {
        try file.tensors.map { tensor in
            guard base[tensor.name] != nil else {
                throw PatchError(
                    .wrongBase, "the model has no such tensor", subject: "\(file.file.name): \(tensor.name)",
                    hint: "a file of differences names them as the model does")
            }
            let payload = try ImportedAdapter.payload(tensor, of: file)
            let isKept = payload.type == .float32 || payload.type == base[tensor.name]?.type
            let values = isKept ? payload : PayloadTensor(try payload.floats(), shape: payload.shape)
            return Edit(tensor: tensor.name, DenseDelta(values: values))
        }
    }
}

/// The factors of an adapter's file, by the tensors that they change.
private struct ImportedAdapter {
    private let file: SafetensorsFile
    private let base: Checkpoint

    init(_ file: SafetensorsFile, _ base: Checkpoint) {
        self.file = file
        self.base = base
    }

    /// A tensor of numbers.
    static func payload(_ tensor: SafetensorsFile.Tensor, of file: SafetensorsFile) throws -> PayloadTensor {
        guard tensor.type.isPatchable else {
            throw PatchError(
                .unsupportedType, "changes of this type cannot be imported",
                subject: "\(file.file.name): \(tensor.name)",
                expected: "F32, BF16 or F16", found: tensor.type.rawValue)
        }
        return try PayloadTensor(type: tensor.type, shape: tensor.shape, bytes: file.pieces(of: tensor))
    }

    func peft(_ config: JSONField) throws -> [Edit] {
        guard try config.require("peft_type").string == "LORA" else {
            throw unsupported("peft_type", try config.require("peft_type").string)
        }
        if try config.optional("use_dora")?.bool == true { throw unsupported("use_dora", "true") }
        if let bias = try config.optional("bias")?.string, bias != "none" { throw unsupported("bias", bias) }
        let isStabilized = try config.optional("use_rslora")?.bool ?? false
        let isTransposed = try config.optional("fan_in_fan_out")?.bool ?? false
        let alpha = try config.require("lora_alpha").double
        let alphas = try config.optional("alpha_pattern")
        return try pairs([(".lora_A", ".lora_B"), (".lora_embedding_A", ".lora_embedding_B")]).map {
            module, a, b, isSecond in
            let rank = a.shape[0]
            let own = try alphas.flatMap { try Self.match(module, in: $0) } ?? alpha
            let scale = isStabilized ? own / Double(rank).squareRoot() : own / Double(rank)
            let (aValues, bValues) = (try a.floats(), try b.floats())
            let name = "\(module).weight"
            let shape = try shape(of: name)
            // Embeddings are stored [tokens, width]; the Conv1D of GPT-2 [in, out]. A wrong flag on a matrix that is not
            // square is put right, as PEFT does.
            let isOther = isSecond || (isTransposed && shape == [a.shape[1], b.shape[0]])
            return isOther
                ? .lowRank(
                    name, a: transposed(bValues, b.shape[0], rank), b: transposed(aValues, rank, a.shape[1]),
                    rank: rank,
                    scale: scale)
                : .lowRank(name, a: aValues, b: bValues, rank: rank, scale: scale)
        }
    }

    func mlx(_ config: JSONField) throws -> [Edit] {
        let kind = try config.optional("fine_tune_type")?.string ?? "lora"
        guard kind == "lora" else { throw unsupported("fine_tune_type", kind) }
        let scale = try config.require("lora_parameters").require("scale").double
        return try pairs([(".lora_a", ".lora_b")]).map { module, a, b, _ in
            let rank = a.shape[1]
            return .lowRank(
                "\(module).weight", a: transposed(try a.floats(), a.shape[0], rank),
                b: transposed(try b.floats(), rank, b.shape[1]), rank: rank, scale: scale)
        }
    }

    /// The two factors of each module; whether they are of the second pair of suffixes.
    private func pairs(
        _ suffixes: [(String, String)]
    ) throws -> [(module: String, a: PayloadTensor, b: PayloadTensor, isSecond: Bool)] {
        var found: [String: (a: PayloadTensor?, b: PayloadTensor?, isSecond: Bool)] = [:]
        for tensor in file.tensors {
            var name = tensor.name.hasPrefix("base_model.model.") ? String(tensor.name.dropFirst(17)) : tensor.name
            for ending in [".weight", ".default"] where name.hasSuffix(ending) { name.removeLast(ending.count) }
            let match = suffixes.enumerated().first { name.hasSuffix($1.0) || name.hasSuffix($1.1) }
            guard let (number, suffix) = match.map({ ($0.offset, $0.element) }), tensor.shape.count == 2 else {
                throw PatchError(
                    .unsupportedKind, "this tensor of the adapter has no place in a patch",
                    subject: "\(file.file.name): \(tensor.name)", hint: "only the factors of matrices are imported")
            }
            let isA = name.hasSuffix(suffix.0)
            name.removeLast(isA ? suffix.0.count : suffix.1.count)
            var entry = found[name] ?? (nil, nil, number == 1)
            if isA {
                entry.a = try Self.payload(tensor, of: file)
            } else {
                entry.b = try Self.payload(tensor, of: file)
            }
            found[name] = entry
        }
        return try found.sorted { $0.key < $1.key }.map { module, entry in
            guard let a = entry.a, let b = entry.b, a.count > 0, b.count > 0 else {
                throw PatchError(
                    .badPayload, "a factor of this module is missing", subject: "\(file.file.name): \(module)")
            }
            return (module, a, b, entry.isSecond)
        }
    }

    private func shape(of tensor: String) throws -> [Int] {
        guard let found = base[tensor] else {
            throw PatchError(
                .wrongBase, "the model has no such tensor", subject: "\(file.file.name): \(tensor)",
                hint: "name the model that the adapter was trained on")
        }
        return found.shape
    }

    /// The value of the pattern that a module's name ends with.
    private static func match(_ module: String, in patterns: JSONField) throws -> Double? {
        for key in try patterns.object.keys.map(\.string) {
            guard key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }) else {
                throw PatchError(
                    .unsupportedKind, "a regular expression as a pattern is not supported", subject: patterns.path,
                    found: key)
            }
            if module == key || module.hasSuffix("." + key) { return try patterns.require(ByteString(key)).double }
        }
        return nil
    }

    private func unsupported(_ key: String, _ value: String) -> PatchError {
        PatchError(
            .unsupportedKind, "adapters of this kind are not imported", subject: "\(file.file.name): \(key)",
            found: value)
    }
}
