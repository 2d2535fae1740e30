extension GGUFFamily {
    /// GPT-NeoX and Pythia. Their activation is the exact GELU, of which llama.cpp computes an approximation.
    static let gptNeoX = GGUFFamily(
        name: "gptneox", modelType: "gpt_neox", modelClass: "GPTNeoXForCausalLM",
        epsilon: ("attention.layer_norm_epsilon", "layer_norm_eps"), roles: roles, rotary: .part,
        hasOwnHeadWidth: false, sharesKeys: false, constants: [("hidden_act", "gelu")]
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in
        [
            ("use_parallel_residual", JSON(try settings.optionalFlag("use_parallel_residual") ?? true)),
            ("attention_bias", JSON(settings.file["blk.0.attn_qkv.bias"] != nil))
        ]
    }

    private static let roles: [String: Role] = {
        func linear(_ target: String, _ shape: [Size], _ order: Order = .same) -> Role {
            Role(name: "gpt_neox.layers.{}.\(target)", shape: shape, order: order, mayHaveBias: true)
        }
        return [
            "token_embd": Role(name: "gpt_neox.embed_in", shape: [.vocabulary, .width]),
            "blk.attn_norm": linear("input_layernorm", [.width]),
            "blk.attn_qkv": linear("attention.query_key_value", [.fused, .width], .headByHead),
            "blk.attn_output": linear("attention.dense", [.width, .width]),
            "blk.ffn_norm": linear("post_attention_layernorm", [.width]),
            "blk.ffn_up": linear("mlp.dense_h_to_4h", [.hidden, .width]),
            "blk.ffn_down": linear("mlp.dense_4h_to_h", [.width, .hidden]),
            "output_norm": Role(name: "gpt_neox.final_layer_norm", shape: [.width], mayHaveBias: true),
            "output": Role(name: "embed_out", shape: [.vocabulary, .width])
        ]
    }()
}
