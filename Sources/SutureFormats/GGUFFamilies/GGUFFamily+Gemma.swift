extension GGUFFamily {
    static let gemma = GGUFFamily(
        name: "gemma", modelType: "gemma", modelClass: "GemmaForCausalLM", epsilon: rms,
        roles: llamaRoles(gains: .oneAdded), constants: [("hidden_act", "gelu_pytorch_tanh")])

    static let gemma2 = GGUFFamily(
        name: "gemma2", modelType: "gemma2", modelClass: "Gemma2ForCausalLM", epsilon: rms, roles: gemma2Roles,
        constants: [("hidden_activation", "gelu_pytorch_tanh")]
    ) { (settings: inout GGUFSettings, sizes: GGUFSizes) -> JSON.Members in
        return try [
            // llama.cpp knows the largest model by its layers.
            queryScalar(sizes, sharedAt: 46),
            ("sliding_window", JSON(settings.optionalSize("attention.sliding_window") ?? 4096)),
            ("attn_logit_softcapping", JSON(settings.optionalNumber("attn_logit_softcapping") ?? 50)),
            ("final_logit_softcapping", JSON(settings.optionalNumber("final_logit_softcapping") ?? 30))
        ]
    }

    /// The text model.
    static let gemma3 = GGUFFamily(
        name: "gemma3", modelType: "gemma3_text", modelClass: "Gemma3ForCausalLM", epsilon: rms,
        roles: gemma2Roles.merging(queryNorms(.oneAdded)) { $1 },
        constants: [("hidden_activation", "gelu_pytorch_tanh"), ("attn_logit_softcapping", nil)]
    ) { (settings: inout GGUFSettings, sizes: GGUFSizes) -> JSON.Members in
        let pattern = try settings.optionalSize("attention.sliding_window_pattern") ?? 6
        let types = (1...sizes.layers).map { JSON($0 % pattern == 0 ? "full_attention" : "sliding_attention") }
        return try [
            queryScalar(sizes, sharedAt: 62), ("layer_types", .array(types)),
            ("sliding_window", JSON(settings.size("attention.sliding_window"))),
            (
                "final_logit_softcapping",
                settings.optionalNumber("final_logit_softcapping").map { JSON($0) } ?? .null
            )
        ]
    }

    private static func queryScalar(_ sizes: GGUFSizes, sharedAt layers: Int) -> (ByteString, JSON) {
        ("query_pre_attn_scalar", JSON(sizes.layers == layers ? sizes.width / sizes.heads : sizes.headWidth))
    }

    private static let gemma2Roles: [String: Role] = {
        var roles = llamaRoles(gains: .oneAdded).merging(outNorms(.oneAdded)) { $1 }
        roles["blk.ffn_norm"] = Role(
            name: "model.layers.{}.pre_feedforward_layernorm", shape: [.width], order: .oneAdded)
        return roles
    }()
}
