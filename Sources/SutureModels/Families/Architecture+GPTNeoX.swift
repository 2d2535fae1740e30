import SutureFormats

extension Architecture {
    /// GPT-NeoX and with it Pythia: attention and MLP side by side (or, where the configuration says so, one after the
    /// other) behind a layer norm each, rotary positions on a part of each head, and one tensor in which every head has
    /// a block of its queries, keys and values.
    static func gptNeoX(_ config: JSONField) throws -> Architecture {
        let width = try config.size("hidden_size")
        let heads = try config.size("num_attention_heads")
        let headWidth = try config.headWidth(width: width, heads: heads)
        let attentionBias = try config.bool("attention_bias", default: true)

        func projection(_ name: String, bias: Bool = true) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        func attention(_ third: Int) -> TensorNames.Projection {
            var fused = projection("attention.query_key_value", bias: attentionBias)
            fused.part = TensorNames.Part(from: third * headWidth, count: headWidth, ofBlock: 3 * headWidth)
            return fused
        }
        return Architecture(
            family: "gpt_neox",
            layers: try config.layers("num_hidden_layers"),
            width: width,
            heads: heads,
            keyValueHeads: heads,
            headWidth: headWidth,
            hiddenWidth: try config.size("intermediate_size"),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("max_position_embeddings", default: 2048),
            norm: .layer,
            epsilon: try config.double("layer_norm_eps", default: 1e-5),
            positions: .rotary(
                try RotaryPositions(
                    config, headWidth: headWidth,
                    .init(thetaKey: "rotary_emb_base", share: 0.25, shareKey: "rotary_pct"))),
            activation: try config.activation("hidden_act", default: .gelu),
            isGated: false,
            window: nil,
            isParallel: try config.bool("use_parallel_residual", default: true),
            tiedHead: try config.bool("tie_word_embeddings", default: false),
            tensors: TensorNames(
                prefixes: ["gpt_neox.", ""],
                embedding: "embed_in.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: attention(0),
                key: attention(1),
                value: attention(2),
                output: projection("attention.dense", bias: attentionBias),
                mlpNorm: "layers.{}.post_attention_layernorm",
                up: projection("mlp.dense_h_to_4h"),
                down: projection("mlp.dense_4h_to_h"),
                finalNorm: "final_layer_norm",
                head: .init(tensor: "embed_out")))
    }
}
