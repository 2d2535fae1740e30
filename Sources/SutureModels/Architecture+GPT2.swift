import SutureFormats

extension Architecture {
    /// GPT-2: learned positions, layer norms, one Conv1D for queries, keys and values.
    static func gpt2(_ config: JSONField) throws -> Architecture {
        let width = try config.require("n_embd").int
        let heads = try config.require("n_head").int
        for (key, needed) in [("scale_attn_weights", true), ("add_cross_attention", false)] as [(ByteString, Bool)] {
            guard try config.bool(key, default: needed) == needed else {
                throw ModelError(
                    .unsupported, "this variant of GPT-2 is not supported", subject: "\(config.path).\(key)",
                    expected: "\(needed)",
                    found: "\(!needed)")
            }
        }

        func projection(_ name: String, part: Range<Int>? = nil) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "h.{}.\(name)", orientation: .inOut, bias: true, part: part)
        }
        return Architecture(
            family: "gpt2",
            layers: try config.require("n_layer").int,
            width: width,
            heads: heads,
            keyValueHeads: heads,
            headWidth: heads > 0 ? width / heads : 0,
            hiddenWidth: try config.optional("n_inner")?.int ?? 4 * width,
            vocabulary: try config.require("vocab_size").int,
            contextLength: try config.require("n_positions").int,
            norm: .layer,
            epsilon: try config.double("layer_norm_epsilon", default: 1e-5),
            positions: .learned,
            activation: try config.activation("activation_function"),
            isGated: false,
            window: nil,
            scalesByLayer: try config.bool("scale_attn_by_inverse_layer_idx", default: false),
            tiedHead: try config.bool("tie_word_embeddings", default: true),
            tensors: TensorNames(
                prefixes: ["transformer.", ""],
                embedding: "wte.weight",
                positions: "wpe.weight",
                attentionNorm: "h.{}.ln_1",
                query: projection("attn.c_attn", part: 0..<width),
                key: projection("attn.c_attn", part: width..<2 * width),
                value: projection("attn.c_attn", part: 2 * width..<3 * width),
                output: projection("attn.c_proj"),
                mlpNorm: "h.{}.ln_2",
                gate: nil,
                up: projection("mlp.c_fc"),
                down: projection("mlp.c_proj"),
                finalNorm: "ln_f",
                head: "lm_head.weight"))
    }
}
