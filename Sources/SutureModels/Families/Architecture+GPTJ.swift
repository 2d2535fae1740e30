import SutureFormats

extension Architecture {
    /// GPT-J: attention and MLP side by side behind one layer norm, rotary positions on the first channels of each head,
    /// a head with a bias.
    static func gptj(_ config: JSONField) throws -> Architecture {
        let width = try config.size("n_embd")
        let heads = try config.size("n_head")
        try config.requireVariant("scale_attn_weights", true)
        try config.requireVariant("rotary", true)
        // Of null transformers makes another network.
        let rotated = config.value["rotary_dim"] == nil ? 64 : try config.size("rotary_dim")

        func projection(_ name: String, bias: Bool) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "h.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: "gptj",
            layers: try config.layers("n_layer"),
            width: width,
            heads: heads,
            keyValueHeads: heads,
            headWidth: try config.headWidth(width: width, heads: heads),
            hiddenWidth: try config.size("n_inner", default: 4 * width),
            vocabulary: try config.size("vocab_size"),
            contextLength: try config.size("n_positions"),
            norm: .layer,
            epsilon: try config.double("layer_norm_epsilon", default: 1e-5),
            positions: .rotary(
                try RotaryPositions(
                    width: min(rotated, 1 << 16), theta: 10_000, .neighbors, subject: config.path)),
            activation: try config.activation("activation_function", default: .geluTanh),
            isGated: false,
            window: nil,
            isParallel: true,
            tiedHead: try config.bool("tie_word_embeddings", default: false),
            tensors: TensorNames(
                prefixes: ["transformer.", ""],
                embedding: "wte.weight",
                attentionNorm: "h.{}.ln_1",
                query: projection("attn.q_proj", bias: false),
                key: projection("attn.k_proj", bias: false),
                value: projection("attn.v_proj", bias: false),
                output: projection("attn.out_proj", bias: false),
                mlpNorm: "h.{}.ln_1",
                up: projection("mlp.fc_in", bias: true),
                down: projection("mlp.fc_out", bias: true),
                finalNorm: "ln_f",
                head: .init(tensor: "lm_head", bias: true)))
    }
}
