extension GGUFFamily {
    static let stablelm = GGUFFamily(
        name: "stablelm", modelType: "stablelm", modelClass: "StableLmForCausalLM",
        epsilon: ("attention.layer_norm_epsilon", "layer_norm_eps"),
        roles: llamaRoles(biased: ["q", "k", "v"]).withBiasedNorms, rotary: .part, hasOwnHeadWidth: false,
        constants: [("hidden_act", "silu")]
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in
        // llama.cpp does not read this setting: a layer without a second norm is parallel.
        _ = try settings.optionalFlag("use_parallel_residual")
        return [
            ("use_parallel_residual", JSON(settings.file["blk.0.ffn_norm.weight"] == nil)),
            ("use_qkv_bias", JSON(["q", "qkv"].contains { settings.file["blk.0.attn_\($0).bias"] != nil }))
        ]
    }
}
