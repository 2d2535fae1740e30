extension GGUFTranslation {
    /// The `config.json` of the snapshot that a file was made from.
    ///
    /// - Throws: ``FormatError`` for a setting that is missing, of another type, out of range or not supported.
    static func config(_ settings: inout GGUFSettings, _ sizes: GGUFSizes) throws -> JSON {
        let family = settings.family
        let epsilon = JSON(shortest(try settings.number(family.epsilon.gguf)))
        var members: JSON.Members = [
            ("model_type", .init(family.modelType)), ("architectures", [.init(family.modelClass)])
        ]
        members += family.sizeNames == .gpt2 ? gpt2(sizes) : usual(sizes)
        members.append((family.epsilon.snapshot, epsilon))
        let file = settings.file
        members.append(("tie_word_embeddings", JSON(file["output.weight"] == nil)))
        if family.hasOwnHeadWidth, sizes.headWidth * sizes.heads != sizes.width || family.needsHeadWidth {
            members.append(("head_dim", JSON(sizes.headWidth)))
        }
        members += family.constants.isEmpty && family.sizeNames == .usual ? [("hidden_act", "silu")] : family.constants
        members += try family.read(&settings, sizes)
        if family.rotary != .none { members += try rotary(&settings, sizes) }
        return JSON(members: try members + specials(file))
    }

    private static func usual(_ sizes: GGUFSizes) -> JSON.Members {
        [
            ("hidden_size", .init(sizes.width)),
            ("num_hidden_layers", .init(sizes.layers)),
            ("num_attention_heads", .init(sizes.heads)),
            ("num_key_value_heads", .init(sizes.keyValueHeads)),
            ("intermediate_size", .init(sizes.hidden)),
            ("vocab_size", .init(sizes.vocabulary)),
            ("max_position_embeddings", .init(sizes.context))
        ]
    }

    private static func gpt2(_ sizes: GGUFSizes) -> JSON.Members {
        [
            ("n_embd", .init(sizes.width)),
            ("n_layer", .init(sizes.layers)),
            ("n_head", .init(sizes.heads)),
            ("n_inner", .init(sizes.hidden)),
            ("n_positions", .init(sizes.context)),
            ("vocab_size", .init(sizes.vocabulary))
        ]
    }

    private static func specials(_ file: GGUFFile) throws -> JSON.Members {
        // Where there is none this is said: the classes of transformers take tokens of their own for granted.
        try [("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding")].map { key, name in
            let id = try file.optionalInt(ByteString("tokenizer.ggml.\(name)_token_id"))
            return (ByteString(key), id.map { JSON($0) } ?? .null)
        }
    }

    /// A number that was stored as float32, in the fewest digits that give the same float32; others as they are.
    static func shortest(_ value: Double) -> Double {
        Double(Float(value)) == value ? Double("\(Float(value))") ?? value : value
    }
}

extension GGUFFamily {
    /// Whether transformers' class takes another width for granted where the configuration has none.
    var needsHeadWidth: Bool { ["gemma", "gemma2", "gemma3_text", "qwen3"].contains(modelType) }
}

extension JSON {
    typealias Members = [(ByteString, JSON)]

    init(members: Members) {
        var object = JSONObject()
        for (key, value) in members { object.append(key, value) }
        self = .object(object)
    }
}
