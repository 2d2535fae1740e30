import SutureFormats

extension Architecture {
    /// StableLM: Llama with layer norms and rotary positions on a part of each head.
    static func stablelm(_ config: JSONField) throws -> Architecture {
        try config.requireVariant("qk_layernorm", false)
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth = try config.headWidth(width: width, heads: heads)
        let hasBias = try config.flag("use_qkv_bias")
        let isParallel = try config.flag("use_parallel_residual")

        func projection(_ name: String, bias: Bool = false) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: "stablelm",
            layers: try config.layers("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: try config.keyValueHeads(heads, default: 32),
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: 4096),
            norm: .layer,
            epsilon: try config.double("layer_norm_eps", default: 1e-5),
            positions: .rotary(try RotaryPositions(config, headWidth: headWidth, .init(share: 0.25))),
            activation: try config.activation("hidden_act", default: .silu),
            isGated: true,
            isParallel: isParallel,
            tiedHead: try config.bool("tie_word_embeddings", default: false),
            tensors: TensorNames(
                prefixes: ["model.", ""],
                embedding: "embed_tokens.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: projection("self_attn.q_proj", bias: hasBias),
                key: projection("self_attn.k_proj", bias: hasBias),
                value: projection("self_attn.v_proj", bias: hasBias),
                output: projection("self_attn.o_proj"),
                mlpNorm: isParallel ? "layers.{}.input_layernorm" : "layers.{}.post_attention_layernorm",
                gate: projection("mlp.gate_proj"),
                up: projection("mlp.up_proj"),
                down: projection("mlp.down_proj"),
                finalNorm: "norm",
                head: .init(tensor: "lm_head")))
    }
}
