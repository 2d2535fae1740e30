import Foundation
import SutureFormats

extension Adapter {
    /// Writes the directory of a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// - Parameters:
    ///   - base: the model that the patch is for. Of GPT-2 the matrices are stored `[in, out]`, which PEFT calls
    ///     `fan_in_fan_out`; without a base that is told by their names.
    ///   - overwriting: whether another adapter there is replaced; nothing else ever is.
    ///   - url: its place.
    /// - Throws: `FormatError` if there is something already or it cannot be written.
    public func writePEFT(to url: URL, base: Checkpoint?, overwriting: Bool = false) throws {
        let isConv1D = try modules.map { try Self.isConv1D($0.tensor, base: base) }
        let isEmbedding = try modules.map { module in
            guard Checkpoint.isEmbedding(module.tensor) else { return false }
            try base?.refuseTied(module.tensor)
            return true
        }
        let names = try modules.map { Self.moduleName(try Self.transformersName($0.tensor, base: base)) }
        let config: JSON = [
            "peft_type": "LORA", "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base.map { JSON($0.url.relativePath) } ?? .null, "bias": "none",
            "fan_in_fan_out": JSON(isConv1D.contains(true)), "inference_mode": true, "init_lora_weights": true,
            "lora_alpha": JSON(rank), "lora_dropout": 0.0, "modules_to_save": .null, "r": JSON(rank),
            "target_modules": .array(names.map { JSON($0) }), "use_dora": false,
            "use_rslora": false
        ]
        let tensors = modules.indices.flatMap { index -> [SafetensorsSource] in
            let (module, isConv1D, name) = (modules[index], isConv1D[index], "base_model.model." + names[index])
            let (rows, columns) = (module.shape[0], module.shape[1])
            if isEmbedding[index] {
                // Of embeddings the product is the other way round, and the names are others.
                return [
                    Self.source("\(name).lora_embedding_A", [rank, rows], transposed(module.b, rows, rank)),
                    Self.source("\(name).lora_embedding_B", [columns, rank], transposed(module.a, rank, columns))
                ]
            }
            let (a, b) =
                isConv1D
                ? (transposed(module.b, rows, rank), transposed(module.a, rank, columns)) : (module.a, module.b)
            return [
                Self.source("\(name).lora_A.weight", [rank, isConv1D ? rows : columns], a),
                Self.source("\(name).lora_B.weight", [isConv1D ? columns : rows, rank], b)
            ]
        }
        try Self.write(config, tensors, "adapter_model.safetensors", id, to: url, overwriting)
    }

    /// Writes the directory of an adapter for mlx-lm: `adapter_config.json` and `adapters.safetensors`, with factors
    /// transposed and a configuration that differs from PEFT's.
    ///
    /// - Throws: ``PatchError`` for matrices outside of the layers, which mlx-lm does not adapt.
    public func writeMLX(to url: URL, overwriting: Bool = false) throws {
        let keys = try modules.map { module -> String in
            let parts = Self.moduleName(module.tensor).split(separator: ".")
            guard let layer = parts.firstIndex(where: { Int($0) != nil }), layer + 1 < parts.count else {
                throw PatchError(.notLowRank, "mlx-lm adapts only what is in layers", subject: module.tensor)
            }
            return parts[(layer + 1)...].joined(separator: ".")
        }
        let config: JSON = [
            "fine_tune_type": "lora", "num_layers": -1,
            "lora_parameters": [
                "rank": JSON(rank), "scale": 1.0, "dropout": 0.0,
                "keys": .array(Set(keys).sorted().map { JSON($0) })
            ]
        ]
        let tensors = modules.flatMap { module in
            let name = Self.moduleName(module.tensor)
            let (rows, columns) = (module.shape[0], module.shape[1])
            return [
                Self.source("\(name).lora_a", [columns, rank], transposed(module.a, rank, columns)),
                Self.source("\(name).lora_b", [rank, rows], transposed(module.b, rows, rank))
            ]
        }
        try Self.write(config, tensors, "adapters.safetensors", id, to: url, overwriting)
    }

    /// Writes a LoRA adapter as one GGUF file, with the names and the order of rows of the model's GGUF file.
    ///
    /// - Parameters:
    ///   - overwriting: whether what is there already is replaced.
    ///   - base: the model that the patch is for, a snapshot or a GGUF file.
    ///   - url: its place.
    /// - Throws: ``PatchError`` for embeddings that are the head as well, and for those of positions.
    public func writeGGUF(to url: URL, base: Checkpoint, overwriting: Bool = false) throws {
        var family = ""
        let matrices = try modules.flatMap { module -> [GGUFWriter.Matrix] in
            let place = try base.ggufPlace(of: module.tensor)
            family = place.family
            let (rows, columns) = (module.shape[0], module.shape[1])
            guard place.name != "position_embd.weight" else {
                // llama.cpp loads such factors and does not use them.
                throw PatchError(
                    .notLowRank, "llama.cpp adapts no embeddings of positions", subject: module.tensor,
                    hint: "apply the patch instead")
            }
            if place.name == "token_embd.weight" {
                // llama.cpp takes rows of the first factor by tokens.
                try base.refuseTied(module.tensor)
                return [
                    GGUFWriter.Matrix("\(place.name).lora_a", [rows, rank], module.b),
                    GGUFWriter.Matrix("\(place.name).lora_b", [columns, rank], transposed(module.a, rank, columns))
                ]
            }
            var (a, b, outputs, inputs) = (module.a, module.b, rows, columns)
            if place.isTransposed {
                (a, b) = (transposed(module.b, rows, rank), transposed(module.a, rank, columns))
                (outputs, inputs) = (columns, rows)
            }
            b = (0..<outputs).flatMap { row in
                let source = place.originalRow(row) * rank
                return b[source..<source + rank]
            }
            return [
                GGUFWriter.Matrix("\(place.name).lora_a", [rank, inputs], a),
                GGUFWriter.Matrix("\(place.name).lora_b", [outputs, rank], b)
            ]
        }
        // With alpha the rank, loaders scale by 1.
        try GGUFWriter.write(
            [
                ("general.type", .string("adapter")), ("general.architecture", .string(family)),
                ("general.name", .string("suture \(id)")), ("general.base_model.count", .uint32(1)),
                ("general.base_model.0.name", .string(base.url.lastPathComponent)), ("adapter.type", .string("lora")),
                ("adapter.lora.alpha", .float32(Float(rank)))
            ], matrices, to: url, overwriting: overwriting)
    }

    /// The name that transformers has for a tensor: some published snapshots leave out the prefix of the model.
    private static func transformersName(_ tensor: String, base: Checkpoint?) throws -> String {
        let family = try base?.config.optional("model_type")?.string
        let prefix =
            switch family {
            case "gpt2", "gpt_bigcode", "gptj", "codegen": "transformer."
            case "gpt_neox": "gpt_neox."
            case nil: tensor.hasPrefix("h.") ? "transformer." : ""
            default: "model."
            }
        // GPT-NeoX's head has another name in files than in transformers from version 5.
        if tensor == "embed_out.weight" { return "lm_head.weight" }
        let isInModel = ["h.", "layers.", "wte.", "wpe.", "embed_tokens.", "embed_in.", "ln_f.", "norm."].contains {
            tensor.hasPrefix($0)
        }
        return isInModel ? prefix + tensor : tensor
    }

    private static func moduleName(_ tensor: String) -> String {
        tensor.hasSuffix(".weight") ? String(tensor.dropLast(7)) : tensor
    }

    /// Whether a matrix is stored `[in, out]`.
    static func isConv1D(_ tensor: String, base: Checkpoint?) throws -> Bool {
        let isNamedSo = ["c_attn", "c_proj", "c_fc"].contains { tensor.hasSuffix(".\($0).weight") }
        guard let base else { return isNamedSo && (tensor.hasPrefix("transformer.h.") || tensor.hasPrefix("h.")) }
        return try isNamedSo && base.config.optional("model_type")?.string == "gpt2"
    }

    private static func source(_ name: String, _ shape: [Int], _ values: [Float]) -> SafetensorsSource {
        let tensor = PayloadTensor(values, shape: shape)
        return SafetensorsSource(name, tensor.type, shape, tensor.bytes)
    }

    private static func write(
        _ config: JSON, _ tensors: [SafetensorsSource], _ name: String, _ id: String, to url: URL, _ overwriting: Bool
    ) throws {
        try AtomicDirectory.write(to: url, replacing: overwriting ? .adapter : nil) { directory in
            try AtomicFile.write(config.serialized(pretty: true), to: directory.appending(path: "adapter_config.json"))
            try SafetensorsWriter.write(
                tensors, metadata: ["format": "pt", "suture_patch": ByteString(id)],
                to: directory.appending(path: name))
        }
    }
}

extension FolderKind {
    /// What ``Adapter/writePEFT(to:base:overwriting:)`` and ``Adapter/writeMLX(to:overwriting:)`` write.
    public static let adapter = FolderKind("an adapter") { paths in
        paths.contains("adapter_config.json")
    } owns: { path, _ in
        ["adapter_config.json", "adapter_model.safetensors", "adapters.safetensors", "README.md"].contains(path)
    }
}
