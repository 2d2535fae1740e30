extension GGUFTranslation {
    /// The `config.json` of the snapshot that a file was made from.
    ///
    /// - Throws: ``FormatError`` for a setting that is missing, of another type, out of range or not supported.
    static func config(_ settings: inout GGUFSettings, _ sizes: GGUFSizes) throws -> JSON {
        let family = settings.family
        let epsilon = JSON(shortest(try settings.number(family.epsilonKey)))
        var members = family.name == "gpt2" ? gpt2(sizes) : llama(family, sizes)
        members.append((family.name == "gpt2" ? "layer_norm_epsilon" : "rms_norm_eps", epsilon))
        let file = settings.file
        members.append(("tie_word_embeddings", JSON(file["output.weight"] == nil)))
        if sizes.headWidth * sizes.heads != sizes.width { members.append(("head_dim", JSON(sizes.headWidth))) }
        if family.name == "llama" {
            // transformers knows biases of all four projections or of none; a lack shows when the tensors are checked.
            for (key, parts) in [("attention_bias", "attn_"), ("mlp_bias", "ffn_")] {
                let hasBias = file.tensors.contains { name, _ in
                    name.string.hasPrefix("blk.") && name.string.contains(".\(parts)") && name.string.hasSuffix(".bias")
                }
                if hasBias { members.append((ByteString(key), true)) }
            }
        }
        if family.name != "gpt2" { members += try rotary(&settings, sizes) }
        return JSON(members: try members + specials(file))
    }

    private static func llama(_ family: GGUFFamily, _ sizes: GGUFSizes) -> JSON.Members {
        [
            ("model_type", .init(family.name)),
            ("architectures", [.init(family.name == "llama" ? "LlamaForCausalLM" : "Qwen2ForCausalLM")]),
            ("hidden_size", .init(sizes.width)),
            ("num_hidden_layers", .init(sizes.layers)),
            ("num_attention_heads", .init(sizes.heads)),
            ("num_key_value_heads", .init(sizes.keyValueHeads)),
            ("intermediate_size", .init(sizes.hidden)),
            ("vocab_size", .init(sizes.vocabulary)),
            ("max_position_embeddings", .init(sizes.context)),
            ("hidden_act", "silu")
        ]
    }

    private static func gpt2(_ sizes: GGUFSizes) -> JSON.Members {
        [
            ("model_type", "gpt2"),
            ("architectures", ["GPT2LMHeadModel"]),
            ("n_embd", .init(sizes.width)),
            ("n_layer", .init(sizes.layers)),
            ("n_head", .init(sizes.heads)),
            ("n_inner", .init(sizes.hidden)),
            ("n_positions", .init(sizes.context)),
            ("vocab_size", .init(sizes.vocabulary)),
            ("activation_function", "gelu_new")
        ]
    }

    /// Rotary positions, with llama.cpp's defaults: what has a factor but no type is scaled linearly.
    private static func rotary(_ settings: inout GGUFSettings, _ sizes: GGUFSizes) throws -> JSON.Members {
        try settings.require("rope.dimension_count", sizes.headWidth)
        let theta = JSON(shortest(try settings.optionalNumber("rope.freq_base") ?? 10_000))
        let old = try settings.optionalNumber("rope.scale_linear")
        let factor = try settings.optionalNumber("rope.scaling.factor") ?? old ?? 1
        let type = try settings.optionalText("rope.scaling.type") ?? "linear"
        guard ["none", "linear"].contains(type) else {
            throw FormatError(
                .unsupportedModel, "this scaling of rotary positions is not supported",
                subject: "\(settings.file.file.name): \(settings.family.name).rope.scaling.type",
                expected: "none or linear", found: type)
        }
        var rope: JSON.Members = [("rope_theta", theta)]
        if type == "none" || factor == 1 {
            rope.append(("rope_type", "default"))
        } else {
            rope += [("rope_type", "linear"), ("factor", JSON(shortest(factor)))]
        }
        return [("rope_theta", theta), ("rope_parameters", JSON(members: rope))]
    }

    private static func specials(_ file: GGUFFile) throws -> JSON.Members {
        try ["bos_token_id", "eos_token_id"].compactMap { name in
            try file.optionalInt(ByteString("tokenizer.ggml.\(name)")).map { (ByteString(name), JSON($0)) }
        }
    }

    /// A number that was stored as float32, in the fewest digits that give the same float32; others as they are.
    private static func shortest(_ value: Double) -> Double {
        Double(Float(value)) == value ? Double("\(Float(value))") ?? value : value
    }
}

extension JSON {
    typealias Members = [(ByteString, JSON)]

    init(members: Members) {
        var object = JSONObject()
        for (key, value) in members { object.append(key, value) }
        self = .object(object)
    }
}
