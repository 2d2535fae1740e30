import SutureFormats

extension Architecture {
    /// Llama, and with it Mistral (a sliding window) and Qwen2 (biases on queries, keys and values); others start from it.
    static func llama(_ config: JSONField, family: String) throws -> Architecture {
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth = try config.headWidth("head_dim", width: width, heads: heads)
        // What the others have under these names, transformers does not read.
        let hasBias = try ["llama", "gemma", "qwen3"].contains(family) && config.flag("attention_bias")
        let mlpBias = try family == "llama" && config.flag("mlp_bias")
        let attentionBias = family == "qwen2" || hasBias

        func projection(_ name: String, bias: Bool) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: family,
            layers: try config.size("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: try config.size("num_key_value_heads", default: heads),
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: 2048),
            norm: .rms,
            epsilon: try config.double("rms_norm_eps", default: 1e-6),
            positions: try .rotary(config, headWidth: headWidth),
            activation: try config.activation("hidden_act"),
            isGated: true,
            window: try window(config, family: family),
            tiedHead: try config.bool("tie_word_embeddings", default: false),
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

    private static func window(_ config: JSONField, family: String) throws -> Int? {
        switch family {
        case "mistral", "phi3":
            return try config.optionalSize("sliding_window")
        case "qwen2", "qwen3":
            guard try config.flag("use_sliding_window") else { return nil }
            throw ModelError(
                .unsupported, "sliding windows in some layers only are not supported",
                subject: config.path + ".use_sliding_window",
                expected: "false", found: "true")
        default:
            return nil
        }
    }
}
