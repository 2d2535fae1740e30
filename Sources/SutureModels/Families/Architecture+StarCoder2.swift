import SutureFormats

extension Architecture {
    /// StarCoder2: rotary positions and shared keys and values as in Llama, layer norms, biases and a plain MLP as in GPT-2,
    /// a sliding window.
    static func starcoder2(_ config: JSONField) throws -> Architecture {
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth = try config.headWidth("head_dim", width: width, heads: heads)
        let bias = try config.bool("use_bias", default: true)

        func projection(_ name: String) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: "starcoder2",
            layers: try config.layers("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: try config.keyValueHeads(heads, default: 2),
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: 4096),
            norm: .layer,
            epsilon: try config.double("norm_epsilon", default: 1e-5),
            positions: .rotary(try RotaryPositions(config, headWidth: headWidth)),
            activation: try config.activation("hidden_act", default: .geluTanh),
            isGated: false,
            window: try config.optionalSize("sliding_window"),
            tiedHead: try config.bool("tie_word_embeddings", default: true),
            tensors: TensorNames(
                prefixes: ["model.", ""],
                embedding: "embed_tokens.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: projection("self_attn.q_proj"),
                key: projection("self_attn.k_proj"),
                value: projection("self_attn.v_proj"),
                output: projection("self_attn.o_proj"),
                mlpNorm: "layers.{}.post_attention_layernorm",
                up: projection("mlp.c_fc"),
                down: projection("mlp.c_proj"),
                finalNorm: "norm",
                head: .init(tensor: "lm_head")))
    }
}
