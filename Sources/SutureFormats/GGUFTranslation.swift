/// A GGUF file seen as the Hugging Face snapshot it was converted from.
struct GGUFTranslation: Sendable {
    struct Tensor: Sendable {
        let name: String
        let shape: [Int]
        let stored: GGUFFile.Tensor
        let layout: Layout
    }

    /// How the rows of a stored matrix stand to those of the original.
    enum Layout: Sendable {
        case same
        /// The converter for Llama interleaves the two halves of each head's rows.
        case interleaved(heads: Int)
        /// GPT-2's Conv1D matrices are stored the other way round.
        case transposed
    }

    let file: GGUFFile
    let config: JSON
    let tensors: [Tensor]

    init(_ file: GGUFFile) throws {
        self.file = file
        let family = try file.string("general.architecture")
        let names: [String: String]
        switch family {
        case "llama", "qwen2":
            config = try Self.llamaConfig(file, family)
            names = Self.llamaNames
        case "gpt2":
            config = try Self.gpt2Config(file)
            names = Self.gpt2Names
        default:
            throw FormatError(
                .unsupportedModel, "this model family is not supported",
                subject: "\(file.file.name): general.architecture",
                expected: "llama, qwen2 or gpt2", found: family)
        }
        let heads = try file.int(ByteString("\(family).attention.head_count"))
        let keyValueHeads = try file.metadata[ByteString("\(family).attention.head_count_kv")].map { _ in
            try file.int(ByteString("\(family).attention.head_count_kv"))
        }
        tensors = try file.tensors.map { _, stored in
            let parts = Self.split(stored.name)
            guard let translated = names[parts.kind] else {
                throw FormatError(
                    .unsupportedModel, "this tensor has no place in the family \(family)",
                    subject: "\(file.file.name): \(stored.name)")
            }
            let name =
                translated.split(separator: "{}", omittingEmptySubsequences: false).joined(separator: parts.layer)
                + parts.suffix
            var layout = Layout.same
            if family == "llama", parts.kind == "blk.attn_q" { layout = .interleaved(heads: heads) }
            if family == "llama", parts.kind == "blk.attn_k" { layout = .interleaved(heads: keyValueHeads ?? heads) }
            if family == "gpt2", Self.gpt2Transposed.contains(parts.kind), stored.shape.count == 2 {
                layout = .transposed
            }
            if case .interleaved(let heads) = layout, heads < 1 || stored.shape[0] % (2 * heads) != 0 {
                throw FormatError(
                    .sizeMismatch, "the rows cannot be shared out among the heads",
                    subject: "\(file.file.name): \(stored.name)",
                    expected: "a multiple of \(2 * max(heads, 1))", found: "\(stored.shape[0])")
            }
            var shape = stored.shape
            if case .transposed = layout { shape.reverse() }
            return Tensor(name: name, shape: shape, stored: stored, layout: layout)
        }
    }

    /// The elements in the original's order, as float32.
    func data(of tensor: Tensor) throws -> TensorData {
        let stored = tensor.stored
        let columns = stored.rowLength
        let rows = stored.rowCount
        // Whoever wants the numbers again keeps them; the quantized ones would be memory beside them.
        defer { file.bytes(of: stored).leaveMemory() }
        return try TensorData(count: rows * columns) { values in
            switch tensor.layout {
            case .same:
                try file.dequantize(stored, rows: 0..<rows, into: values)
            case .interleaved(let heads):
                // Stored row (head, pair, half) is original row (head, half, pair).
                let pairs = rows / heads / 2
                for row in 0..<rows {
                    let (head, inHead) = row.quotientAndRemainder(dividingBy: 2 * pairs)
                    let target = head * 2 * pairs + (inHead % 2) * pairs + inHead / 2
                    let part = UnsafeMutableBufferPointer(rebasing: values[target * columns..<(target + 1) * columns])
                    try file.dequantize(stored, rows: row..<row + 1, into: part)
                }
            case .transposed:
                let matrix = try file.dequantize(stored)
                for row in 0..<rows {
                    for column in 0..<columns { values[column * rows + row] = matrix[row * columns + column] }
                }
            }
        }
    }

    /// `blk.7.attn_q.weight` is kind `blk.attn_q`, layer `7`, suffix `.weight`.
    private static func split(_ name: String) -> (kind: String, layer: String, suffix: String) {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let suffix = parts.count > 1 ? "." + parts.removeLast() : ""
        var layer = ""
        if parts.count > 2, parts[0] == "blk" { layer = parts.remove(at: 1) }
        return (parts.joined(separator: "."), layer, suffix)
    }

    private static let llamaNames = [
        "token_embd": "model.embed_tokens",
        "blk.attn_norm": "model.layers.{}.input_layernorm",
        "blk.attn_q": "model.layers.{}.self_attn.q_proj",
        "blk.attn_k": "model.layers.{}.self_attn.k_proj",
        "blk.attn_v": "model.layers.{}.self_attn.v_proj",
        "blk.attn_output": "model.layers.{}.self_attn.o_proj",
        "blk.ffn_norm": "model.layers.{}.post_attention_layernorm",
        "blk.ffn_gate": "model.layers.{}.mlp.gate_proj",
        "blk.ffn_up": "model.layers.{}.mlp.up_proj",
        "blk.ffn_down": "model.layers.{}.mlp.down_proj",
        "output_norm": "model.norm",
        "output": "lm_head"
    ]

    private static let gpt2Names = [
        "token_embd": "transformer.wte",
        "position_embd": "transformer.wpe",
        "blk.attn_norm": "transformer.h.{}.ln_1",
        "blk.attn_qkv": "transformer.h.{}.attn.c_attn",
        "blk.attn_output": "transformer.h.{}.attn.c_proj",
        "blk.ffn_norm": "transformer.h.{}.ln_2",
        "blk.ffn_up": "transformer.h.{}.mlp.c_fc",
        "blk.ffn_down": "transformer.h.{}.mlp.c_proj",
        "output_norm": "transformer.ln_f",
        "output": "lm_head"
    ]

    private static let gpt2Transposed: Set = ["blk.attn_qkv", "blk.attn_output", "blk.ffn_up", "blk.ffn_down"]
}

// MARK: - Configuration

extension GGUFTranslation {
    private static func llamaConfig(_ file: GGUFFile, _ family: String) throws -> JSON {
        func key(_ name: String) -> ByteString { ByteString("\(family).\(name)") }
        let heads = try file.int(key("attention.head_count"))
        var config: JSON.Members = [
            ("model_type", .init(family)),
            ("architectures", [.init(family == "llama" ? "LlamaForCausalLM" : "Qwen2ForCausalLM")]),
            ("hidden_size", .init(try file.int(key("embedding_length")))),
            ("num_hidden_layers", .init(try file.int(key("block_count")))),
            ("num_attention_heads", .init(heads)),
            ("num_key_value_heads", .init(try file.optionalInt(key("attention.head_count_kv")) ?? heads)),
            ("intermediate_size", .init(try file.int(key("feed_forward_length")))),
            ("vocab_size", .init(try vocabulary(file))),
            ("max_position_embeddings", .init(try file.int(key("context_length")))),
            ("rms_norm_eps", .init(shortest(try file.double(key("attention.layer_norm_rms_epsilon"))))),
            ("hidden_act", "silu"),
            ("tie_word_embeddings", .init(file["output.weight"] == nil))
        ]
        if let width = try file.optionalInt(key("attention.key_length")) { config.append(("head_dim", .init(width))) }
        let theta = file.metadata[key("rope.freq_base")]?.doubleValue ?? 10_000
        var rope: JSON.Members = [("rope_theta", .init(shortest(theta)))]
        switch file.metadata[key("rope.scaling.type")]?.stringValue {
        case nil, "none":
            rope.append(("rope_type", "default"))
        case "linear":
            rope += [("rope_type", "linear"), ("factor", .init(try file.double(key("rope.scaling.factor"))))]
        case let other?:
            throw FormatError(
                .unsupportedModel, "this scaling of rotary positions is not supported",
                subject: "\(file.file.name): \(key("rope.scaling.type"))", expected: "none or linear", found: other)
        }
        config.append(("rope_theta", .init(shortest(theta))))
        config.append(("rope_parameters", JSON(members: rope)))
        return JSON(members: config + specials(file))
    }

    private static func gpt2Config(_ file: GGUFFile) throws -> JSON {
        let config: JSON.Members = [
            ("model_type", "gpt2"),
            ("architectures", ["GPT2LMHeadModel"]),
            ("n_embd", .init(try file.int("gpt2.embedding_length"))),
            ("n_layer", .init(try file.int("gpt2.block_count"))),
            ("n_head", .init(try file.int("gpt2.attention.head_count"))),
            ("n_inner", .init(try file.int("gpt2.feed_forward_length"))),
            ("n_positions", .init(try file.int("gpt2.context_length"))),
            ("vocab_size", .init(try vocabulary(file))),
            ("layer_norm_epsilon", .init(shortest(try file.double("gpt2.attention.layer_norm_epsilon")))),
            ("activation_function", "gelu_new"),
            ("tie_word_embeddings", .init(file["output.weight"] == nil))
        ]
        return JSON(members: config + specials(file))
    }

    private static func specials(_ file: GGUFFile) -> JSON.Members {
        var members: JSON.Members = []
        for (key, name) in [("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id")] {
            if let id = file.metadata[ByteString("tokenizer.ggml.\(name)")]?.intValue {
                members.append((ByteString(key), .init(id)))
            }
        }
        return members
    }

    private static func vocabulary(_ file: GGUFFile) throws -> Int {
        guard let embedding = file["token_embd.weight"] else {
            throw FormatError(
                .missingTensor, "the token embeddings are missing", subject: file.file.name,
                expected: "token_embd.weight")
        }
        return embedding.rowCount
    }

    /// A number that was stored as float32, in the fewest digits that give the same float32.
    private static func shortest(_ value: Double) -> Double { Double("\(Float(value))") ?? value }
}

extension JSON {
    typealias Members = [(ByteString, JSON)]

    init(members: Members) {
        var object = JSONObject()
        for (key, value) in members { object.append(key, value) }
        self = .object(object)
    }
}

extension GGUFFile {
    /// The integer under `key`, or nil where there is none.
    func optionalInt(_ key: ByteString) throws -> Int? { metadata[key] == nil ? nil : try int(key) }
}

// MARK: - The other way

extension GGUFTranslation {
    /// Where a GGUF file has a matrix of a snapshot: under which name, and with how many heads its rows are interleaved.
    static func place(of tensor: String, config: JSONField) throws -> (name: String, interleavedHeads: Int?) {
        let family = try config.require("model_type").string
        let table = family == "gpt2" ? gpt2Names : ["llama", "qwen2"].contains(family) ? llamaNames : [:]
        let parts = tensor.split(separator: ".").map(String.init)
        let layer = parts.first { Int($0) != nil } ?? ""
        let plain = parts.dropLast().map { $0 == layer ? "{}" : $0 }.joined(separator: ".")
        guard let kind = table.first(where: { $0.value == plain })?.key, let suffix = parts.last else {
            throw FormatError(
                .unsupportedModel, "this tensor has no name in GGUF files of the family \(family)", subject: tensor)
        }
        let name = kind.hasPrefix("blk.") ? "blk.\(layer).\(kind.dropFirst(4))" : kind
        guard family == "llama", ["blk.attn_q", "blk.attn_k"].contains(kind) else { return ("\(name).\(suffix)", nil) }
        let heads = try config.require("num_attention_heads").int
        let shared = try config.optional("num_key_value_heads")?.int ?? heads
        return ("\(name).\(suffix)", kind == "blk.attn_q" ? heads : shared)
    }
}
