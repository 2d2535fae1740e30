import SutureFormats

extension Architecture {
    /// GPT-2: learned positions, layer norms, one Conv1D for queries, keys and values.
    static func gpt2(_ config: JSONField) throws -> Architecture {
        let width = try config.size("n_embd")
        let heads = try config.size("n_head")
        try config.requireVariant("scale_attn_weights", true)
        try config.requireVariant("add_cross_attention", false)

        func projection(_ name: String, third: Int? = nil) -> TensorNames.Projection {
            TensorNames.Projection(
                tensor: "h.{}.\(name)", orientation: .inOut, bias: true,
                part: third.map { TensorNames.Part(from: $0 * width, count: width, ofBlock: 3 * width) })
        }
        return Architecture(
            family: "gpt2",
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
            positions: .learned,
            activation: try config.activation("activation_function", default: .geluTanh),
            isGated: false,
            window: nil,
            scalesByLayer: try config.flag("scale_attn_by_inverse_layer_idx"),
            tiedHead: try config.bool("tie_word_embeddings", default: true),
            tensors: TensorNames(
                prefixes: ["transformer.", ""],
                embedding: "wte.weight",
                positions: "wpe.weight",
                attentionNorm: "h.{}.ln_1",
                query: projection("attn.c_attn", third: 0),
                key: projection("attn.c_attn", third: 1),
                value: projection("attn.c_attn", third: 2),
                output: projection("attn.c_proj"),
                mlpNorm: "h.{}.ln_2",
                gate: nil,
                up: projection("mlp.c_fc"),
                down: projection("mlp.c_proj"),
                finalNorm: "ln_f",
                head: .init(tensor: "lm_head")))
    }
}
