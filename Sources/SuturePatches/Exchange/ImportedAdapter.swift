import Foundation
import SutureFormats

/// An adapter's file, as changes of the tensors of a model.
struct ImportedAdapter {
    let file: SafetensorsFile
    let base: Checkpoint

    init(_ file: SafetensorsFile, _ base: Checkpoint) {
        self.file = file
        self.base = base
    }

    /// What the file has of one module.
    struct Module {
        var a, b: PayloadTensor?
        /// Whether it is a table of embeddings, of which the product is the other way round.
        var isEmbedding = false
        /// DoRA's norms of rows.
        var magnitudes: PayloadTensor?
        /// Tensors that are stored whole, by the last part of their names.
        var whole: [String: PayloadTensor] = [:]
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

    func mlx(_ config: JSONField) throws -> [Edit] {
        let kind = try config.optional("fine_tune_type")?.string ?? "lora"
        guard kind == "lora" else { throw unsupported("fine_tune_type", kind) }
        let scale = try config.require("lora_parameters").require("scale").double
        return try modules(a: ".lora_a", b: ".lora_b").map { module, parts in
            guard let a = parts.a, let b = parts.b, parts.whole.isEmpty else { throw incomplete(module) }
            let name = try tensor("\(module).weight")
            let rank = a.shape[1]
            let (aValues, bValues) = (try a.floats(), try b.floats())
            // mlx multiplies from the right; of embeddings the product is the matrix itself.
            return Checkpoint.isEmbedding(name)
                ? .lowRank(name, a: bValues, b: aValues, rank: rank, scale: scale)
                : .lowRank(
                    name, a: transposed(aValues, a.shape[0], rank), b: transposed(bValues, rank, b.shape[1]),
                    rank: rank, scale: scale)
        }
    }

    // MARK: - Names

    /// What the file has, by module.
    func modules(a: String, b: String) throws -> [(name: String, parts: Module)] {
        var found: [String: Module] = [:]
        for tensor in file.tensors {
            var name = tensor.name.hasPrefix("base_model.model.") ? String(tensor.name.dropFirst(17)) : tensor.name
            func drop(_ ending: String) -> Bool {
                guard name.hasSuffix(ending) else { return false }
                name.removeLast(ending.count)
                return true
            }
            let payload = try Self.payload(tensor, of: file)
            let isWeight = drop(".weight")
            _ = drop(".default")
            if drop(".lora_magnitude_vector") {
                found[name, default: Module()].magnitudes = payload
            } else if payload.shape.count == 2, drop(a) {
                found[name, default: Module()].a = payload
            } else if payload.shape.count == 2, drop(b) {
                found[name, default: Module()].b = payload
            } else if payload.shape.count == 2, drop(".lora_embedding_A") {
                found[name, default: Module()].a = payload
                found[name]?.isEmbedding = true
            } else if payload.shape.count == 2, drop(".lora_embedding_B") {
                found[name, default: Module()].b = payload
                found[name]?.isEmbedding = true
            } else if !name.contains(".lora_"), isWeight || drop(".bias") {
                // PEFT saves embeddings and heads whole, and modules and biases that were trained.
                for wrapper in [".modules_to_save.default", ".modules_to_save", ".base_layer"] { _ = drop(wrapper) }
                found[name, default: Module()].whole[isWeight ? "weight" : "bias"] = payload
            } else {
                throw PatchError(
                    .unsupportedKind, "this tensor of the adapter has no place in a patch",
                    subject: "\(file.file.name): \(tensor.name)",
                    hint: "imported are factors of matrices, and tensors of the model that are saved whole")
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The model's name for a tensor: published snapshots have a prefix or none.
    func tensor(_ name: String) throws -> String {
        if base[name] != nil { return name }
        for prefix in ["transformer.", "model.", "gpt_neox."] {
            if base[prefix + name] != nil { return prefix + name }
            if name.hasPrefix(prefix), base[String(name.dropFirst(prefix.count))] != nil {
                return String(name.dropFirst(prefix.count))
            }
        }
        let isHead = Checkpoint.heads.contains(name)
        // GPT-NeoX's head has another name in files than in transformers from version 5.
        if isHead, let stored = Checkpoint.heads.first(where: { base[$0] != nil }) { return stored }
        throw PatchError(
            .wrongBase,
            isHead ? "the model has no head of its own: it is the table of embeddings" : "the model has no such tensor",
            subject: "\(file.file.name): \(name)",
            hint: isHead
                ? "a change of the head alone needs a model that stores one"
                : "name the model that the adapter was trained on")
    }

    func incomplete(_ module: String) -> PatchError {
        PatchError(.badPayload, "a factor of this module is missing", subject: "\(file.file.name): \(module)")
    }

    func unsupported(_ key: String, _ value: String) -> PatchError {
        PatchError(
            .unsupportedKind, "adapters of this kind are not imported", subject: "\(file.file.name): \(key)",
            found: value)
    }
}
