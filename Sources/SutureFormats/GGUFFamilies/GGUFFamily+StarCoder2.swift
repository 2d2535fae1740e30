extension GGUFFamily {
    static let starcoder2 = GGUFFamily(
        name: "starcoder2", modelType: "starcoder2", modelClass: "Starcoder2ForCausalLM",
        epsilon: ("attention.layer_norm_epsilon", "norm_epsilon"),
        roles: roles, hasOwnHeadWidth: false, constants: [("hidden_act", "gelu_pytorch_tanh")]
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in
        [("use_bias", JSON(settings.file["blk.0.attn_q.bias"] != nil)), ("sliding_window", nil)]
    }

    private static let roles: [String: Role] = {
        var roles = llamaRoles(biased: ["q", "k", "v", "output"])
        roles["blk.ffn_gate"] = nil
        roles["blk.ffn_up"] = Role(name: "model.layers.{}.mlp.c_fc", shape: [.hidden, .width], mayHaveBias: true)
        roles["blk.ffn_down"] = Role(name: "model.layers.{}.mlp.c_proj", shape: [.width, .hidden], mayHaveBias: true)
        return roles.withBiasedNorms
    }()
}

extension [String: GGUFFamily.Role] {
    /// The same with biases of the norms.
    var withBiasedNorms: Self {
        reduce(into: self) { roles, role in
            if role.value.shape == [.width] { roles[role.key]?.mayHaveBias = true }
        }
    }
}
