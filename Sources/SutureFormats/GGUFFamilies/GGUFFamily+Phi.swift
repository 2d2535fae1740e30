extension GGUFFamily {
    /// Phi-1, 1.5 and 2; older converters store queries, keys and values as one tensor.
    static let phi2 = GGUFFamily(
        name: "phi2", modelType: "phi", modelClass: "PhiForCausalLM",
        epsilon: ("attention.layer_norm_epsilon", "layer_norm_eps"), roles: phi2Roles, rotary: .part,
        hasOwnHeadWidth: false, constants: [("hidden_act", "gelu_new")])

    /// Phi-3 and 4.
    static let phi3 = GGUFFamily(
        name: "phi3", modelType: "phi3", modelClass: "Phi3ForCausalLM", epsilon: rms, roles: phi3Roles, rotary: .part,
        hasOwnHeadWidth: false, constants: [("hidden_act", "silu")]
    ) { (settings: inout GGUFSettings, sizes: GGUFSizes) -> JSON.Members in
        let trained = try settings.optionalSize("rope.scaling.original_context_length") ?? sizes.context
        let window = try settings.optionalInt("attention.sliding_window") ?? 0
        return [
            ("original_max_position_embeddings", JSON(trained)), ("sliding_window", window > 0 ? JSON(window) : .null)
        ]
    }

    private static let phi2Roles: [String: Role] = {
        var roles = llamaRoles(biased: ["q", "k", "v"])
        for (part, target, shape) in [
            ("attn_output", "self_attn.dense", [.width, .queries]), ("ffn_up", "mlp.fc1", [.hidden, .width]),
            ("ffn_down", "mlp.fc2", [.width, .hidden])
        ] as [(String, String, [Size])] {
            roles["blk.\(part)"] = Role(name: "model.layers.{}.\(target)", shape: shape, mayHaveBias: true)
        }
        roles["blk.ffn_gate"] = nil
        roles["blk.ffn_norm"] = nil
        roles["output_norm"] = Role(name: "model.final_layernorm", shape: [.width])
        roles["output"] = Role(name: "lm_head", shape: [.vocabulary, .width], mayHaveBias: true)
        return roles.withBiasedNorms
    }()

    private static let phi3Roles: [String: Role] = {
        var roles = llamaRoles()
        for part in ["attn_q", "attn_k", "attn_v", "ffn_gate"] { roles["blk.\(part)"] = nil }
        roles["blk.attn_qkv"] = Role(name: "model.layers.{}.self_attn.qkv_proj", shape: [.fused, .width])
        roles["blk.ffn_up"] = Role(name: "model.layers.{}.mlp.gate_up_proj", shape: [.doubleHidden, .width])
        return roles
    }()
}
