import SutureFormats

extension Architecture {
    /// Llama, and with it Mistral (a sliding window) and Qwen2 (biases on queries, keys and values); others start from it.
    ///
    /// `positions` are those of a family that has them described in another way.
    static func llama(_ config: JSONField, family: String, positions: Positions? = nil) throws -> Architecture {
        let defaults = Defaults.of[family] ?? Defaults()
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth =
            try config.value["head_dim"] == nil && defaults.headWidth != nil
            ? defaults.headWidth ?? 0 : config.headWidth("head_dim", width: width, heads: heads)
        // What the others have under these names, transformers does not read.
        let hasBias = try !["mistral", "phi3", "qwen2"].contains(family) && config.flag("attention_bias")
        let mlpBias = try ["llama", "granite", "smollm3"].contains(family) && config.flag("mlp_bias")
        let attentionBias = family == "qwen2" || hasBias

        func projection(_ name: String, bias: Bool) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: family,
            layers: try config.layers("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: try config.keyValueHeads(heads, default: defaults.keyValueHeads),
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: defaults.context),
            norm: .rms,
            epsilon: try config.double("rms_norm_eps", default: defaults.epsilon),
            positions: try positions ?? .rotary(RotaryPositions(config, headWidth: headWidth, defaults.rotary)),
            activation: try config.activation(defaults.activationKey, default: defaults.activation),
            isGated: true,
            window: try window(config, family: family),
            windowedLayers: try ["qwen2", "qwen3"].contains(family) ? laterLayers(config) : nil,
            tiedHead: try config.bool("tie_word_embeddings", default: defaults.isTied),
            tensors: TensorNames(
                prefixes: ["model.", ""],
                embedding: "embed_tokens.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: projection("self_attn.q_proj", bias: attentionBias),
                key: projection("self_attn.k_proj", bias: attentionBias),
                value: projection("self_attn.v_proj", bias: attentionBias),
                output: projection("self_attn.o_proj", bias: hasBias),
                mlpNorm: "layers.{}.post_attention_layernorm",
                gate: projection("mlp.gate_proj", bias: mlpBias),
                up: projection("mlp.up_proj", bias: mlpBias),
                down: projection("mlp.down_proj", bias: mlpBias),
                finalNorm: "norm",
                head: .init(tensor: "lm_head")))
    }

    /// What transformers' class of a family takes where the configuration has no such setting.
    private struct Defaults {
        var headWidth: Int?
        var keyValueHeads: Int?
        var context = 2048
        var epsilon = 1e-6
        var isTied = false
        var activation = Activation.silu
        var activationKey: ByteString = "hidden_act"
        var rotary = RotaryPositions.Defaults()

        static let of: [String: Defaults] = [
            "gemma": Defaults(headWidth: 256, keyValueHeads: 16, context: 8192, isTied: true, activation: .geluTanh),
            "gemma2": Defaults(
                headWidth: 256, keyValueHeads: 4, context: 8192, isTied: true, activation: .geluTanh,
                activationKey: "hidden_activation"),
            "gemma3_text": Defaults(
                headWidth: 256, keyValueHeads: 4, context: 131_072, isTied: true, activation: .geluTanh,
                activationKey: "hidden_activation"),
            "mistral": Defaults(keyValueHeads: 8, context: 131_072),
            "olmo2": Defaults(epsilon: 1e-5),
            "phi3": Defaults(context: 4096, epsilon: 1e-5, rotary: .init(share: 1)),
            "qwen2": Defaults(keyValueHeads: 32, context: 32768),
            "qwen3": Defaults(headWidth: 128, keyValueHeads: 32, context: 32768),
            "smollm3": Defaults(keyValueHeads: 4, context: 32768, isTied: true, rotary: .init(theta: 2_000_000))
        ]
    }

    private static func window(_ config: JSONField, family: String) throws -> Int? {
        let isAbsent = try config.object["sliding_window"] == nil
        switch family {
        case "mistral", "gemma2", "gemma3_text":
            return isAbsent ? 4096 : try config.optionalSize("sliding_window")
        case "phi3":
            return try config.optionalSize("sliding_window")
        case "qwen2", "qwen3":
            guard try config.flag("use_sliding_window") else { return nil }
            return isAbsent ? 4096 : try config.optionalSize("sliding_window")
        case "smollm3":
            return try config.flag("use_sliding_window") ? config.optionalSize("sliding_window") : nil
        default:
            return nil
        }
    }

    /// Of Qwen the layers with a window: what `layer_types` says, else those behind the first `max_window_layers`.
    private static func laterLayers(_ config: JSONField) throws -> Set<Int>? {
        let layers = try config.layers("num_hidden_layers")
        if let listed = try windowedLayers(config, of: layers) { return listed }
        let first = try config.optional("max_window_layers")?.int ?? 28
        return Set((0..<layers).filter { $0 >= first })
    }

    /// The layers that `layer_types` calls windowed; nil where there is no such list.
    static func windowedLayers(_ config: JSONField, of layers: Int) throws -> Set<Int>? {
        guard let field = try config.optional("layer_types") else { return nil }
        let types = try field.array.map { try $0.string }
        guard types.count == layers, types.allSatisfy(["full_attention", "sliding_attention"].contains) else {
            throw ModelError(
                .unsupported, "the kinds of layers are not supported", subject: field.path,
                expected: "full_attention or sliding_attention for each of \(layers) layers",
                found: types.count == layers ? Set(types).sorted().joined(separator: ", ") : "\(types.count) entries")
        }
        return Set(types.indices.filter { types[$0] == "sliding_attention" })
    }
}
