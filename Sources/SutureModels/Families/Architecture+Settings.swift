import SutureFormats

extension Architecture {
    /// Words in the names of settings that change what a network computes, with the number that changes nothing if there
    /// is one. Other settings that a family does not read are about training, files and tokens.
    private static let telling: [(part: String, neutral: Double?)] = [
        ("softcap", 0), ("multiplier", 1), ("scale", 1), ("scaling", 1), ("expert", 0), ("moe", nil), ("rope", nil),
        ("rotary", nil), ("alibi", nil), ("window", 0), ("sink", nil), ("layer_types", nil), ("norm_type", nil),
        ("mlp_type", nil), ("qk_norm", nil), ("qk_layernorm", nil), ("clip_qkv", nil), ("pre_attn_scalar", nil),
        ("parallel", nil), ("position_embedding_type", nil), ("bidirectional", nil), ("cross_attention", nil),
        ("encoder_decoder", nil), ("bias", nil), ("quantization_config", nil)
    ]

    /// Settings with such a part that all families read or that change nothing.
    private static let common: Set<ByteString> = [
        "rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor", "attention_softmax_in_fp32",
        "scale_attention_softmax_in_fp32", "max_window_layers"
    ]

    /// The others that a family reads.
    private static let ofFamily: [String: Set<ByteString>] = [
        "codegen": ["rotary", "rotary_dim", "scale_attn_weights"],
        "gemma": ["attention_bias", "use_bidirectional_attention"],
        "gemma2": gemma,
        "gemma3_text": gemma.union([
            "rope_local_base_freq", "sliding_window_pattern", "_sliding_window_pattern"
        ]),
        "gpt2": ["add_cross_attention", "scale_attn_weights", "scale_attn_by_inverse_layer_idx"],
        "gpt_bigcode": ["add_cross_attention", "scale_attn_weights", "scale_attn_by_inverse_layer_idx"],
        "granite": [
            "attention_bias", "mlp_bias", "embedding_multiplier", "logits_scaling", "residual_multiplier",
            "attention_multiplier"
        ],
        "gpt_neox": ["attention_bias", "rotary_pct", "rotary_emb_base", "use_parallel_residual"],
        "gptj": ["rotary", "rotary_dim", "scale_attn_weights"],
        "llama": ["attention_bias", "mlp_bias"],
        "mistral": ["sliding_window"],
        "olmo2": ["attention_bias"],
        "phi": ["qk_layernorm"],
        "phi3": ["sliding_window"],
        // With sliding windows switched off, what they would be changes nothing.
        "qwen2": ["use_sliding_window", "sliding_window", "layer_types"],
        "qwen3": ["attention_bias", "use_sliding_window", "sliding_window", "layer_types"],
        "smollm3": [
            "attention_bias", "mlp_bias", "use_sliding_window", "sliding_window", "layer_types", "no_rope_layers",
            "no_rope_layer_interval"
        ],
        "stablelm": ["use_qkv_bias", "qk_layernorm", "use_parallel_residual"],
        "starcoder2": ["use_bias", "sliding_window", "scale_attn_weights"]
    ]

    private static let gemma: Set<ByteString> = [
        "attention_bias", "use_bidirectional_attention", "sliding_window", "layer_types", "query_pre_attn_scalar",
        "final_logit_softcapping", "attn_logit_softcapping"
    ]

    /// Throws ``ModelError`` for a setting that the family does not read, but that could change what it computes.
    static func checkSettings(_ config: JSONField, of family: String) throws {
        for (key, value) in try config.object {
            if common.contains(key) || ofFamily[family]?.contains(key) == true { continue }
            let name = "_" + key.string.lowercased()
            let found = telling.filter { name.contains("_" + $0.part) }
            if found.isEmpty || changesNothing(key, value, found.compactMap(\.neutral)) { continue }
            if key == "quantization_config" {
                throw ModelError(
                    .unsupported, "the weights are quantized, in a way that is not read",
                    subject: "\(config.path): \(key)",
                    expected: "FP8 with scales, or weights that are not quantized",
                    found: value["quant_method"]?.stringValue ?? value.brief,
                    hint: "name the model's own snapshot, or a GGUF file of it")
            }
            throw ModelError(
                .unsupported,
                "this setting is not supported in the family \(family), and could change what the model computes",
                subject: "\(config.path): \(key)", found: value.brief)
        }
    }

    private static func changesNothing(_ key: ByteString, _ value: JSON, _ neutral: [Double]) -> Bool {
        switch value {
        case .null, .bool(false): true
        case .number: value.doubleValue.map(neutral.contains) ?? false
        case .array(let elements):
            elements.isEmpty || key == "layer_types" && elements.allSatisfy { $0.stringValue == "full_attention" }
        case .object(let members): members.isEmpty
        case .string(let text):
            ["norm_type": "layer_norm", "mlp_type": "default", "position_embedding_type": "absolute"][key] == text
        case .bool(true): false
        }
    }
}

extension JSON {
    fileprivate var brief: String {
        switch self {
        case .array, .object: String(decoding: serialized().prefix(60), as: UTF8.self)
        default: String(decoding: serialized(), as: UTF8.self)
        }
    }
}
