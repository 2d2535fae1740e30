import SutureFormats

extension Architecture {
    /// Phi-1, 1.5 and 2: attention and MLP side by side behind one layer norm, rotary positions on a part of each head,
    /// biases everywhere.
    static func phi(_ config: JSONField) throws -> Architecture {
        try config.requireVariant("qk_layernorm", false)
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth = try config.headWidth("head_dim", width: width, heads: heads)

        func projection(_ name: String) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: true)
        }
        return Architecture(
            family: "phi",
            layers: try config.layers("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: try config.keyValueHeads(heads),
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: 2048),
            norm: .layer,
            epsilon: try config.double("layer_norm_eps", default: 1e-5),
            positions: .rotary(try RotaryPositions(config, headWidth: headWidth, .init(share: 0.5))),
            activation: try config.activation("hidden_act", default: .geluTanh),
            isGated: false,
            window: nil,
            isParallel: true,
            tiedHead: try config.bool("tie_word_embeddings", default: false),
            tensors: TensorNames(
                prefixes: ["model.", ""],
                embedding: "embed_tokens.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: projection("self_attn.q_proj"),
                key: projection("self_attn.k_proj"),
                value: projection("self_attn.v_proj"),
                output: projection("self_attn.dense"),
                mlpNorm: "layers.{}.input_layernorm",
                up: projection("mlp.fc1"),
                down: projection("mlp.fc2"),
                finalNorm: "final_layernorm",
                head: .init(tensor: "lm_head", bias: true)))
    }
}
