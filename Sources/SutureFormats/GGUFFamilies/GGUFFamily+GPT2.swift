extension GGUFFamily {
    static let gpt2 = GGUFFamily(
        name: "gpt2", modelType: "gpt2", modelClass: "GPT2LMHeadModel", epsilon: gpt2Epsilon,
        roles: gpt2Roles(.transposed), sizeNames: .gpt2, rotary: .none, hasOwnHeadWidth: false, sharesKeys: false,
        constants: [("activation_function", "gelu_new")])

    /// GPT-BigCode: GPT-2 with matrices as they are, and one head of keys and values or as many as of queries.
    static let starcoder = GGUFFamily(
        name: "starcoder", modelType: "gpt_bigcode", modelClass: "GPTBigCodeForCausalLM", epsilon: gpt2Epsilon,
        roles: gpt2Roles(.same), sizeNames: .gpt2, rotary: .none, hasOwnHeadWidth: false,
        constants: [("activation_function", "gelu_pytorch_tanh")]
    ) { (settings: inout GGUFSettings, sizes: GGUFSizes) -> JSON.Members in
        // With keys and values for each head the original has them head by head, and llama.cpp has no such models.
        try settings.require("attention.head_count_kv", 1)
        guard sizes.keyValueHeads == 1 else { throw settings.unfit("attention.head_count_kv", "1") }
        return [("multi_query", true)]
    }

    private static let gpt2Epsilon: (gguf: String, snapshot: ByteString) = (
        "attention.layer_norm_epsilon", "layer_norm_epsilon"
    )

    private static func gpt2Roles(_ order: Order) -> [String: Role] {
        func linear(_ target: String, _ shape: [Size]) -> Role {
            Role(name: "transformer.h.{}.\(target)", shape: shape, order: order, mayHaveBias: true)
        }
        func norm(_ target: String) -> Role { Role(name: target, shape: [.width], mayHaveBias: true) }
        return [
            "token_embd": Role(name: "transformer.wte", shape: [.vocabulary, .width]),
            "position_embd": Role(name: "transformer.wpe", shape: [.context, .width]),
            "blk.attn_norm": norm("transformer.h.{}.ln_1"),
            "blk.attn_qkv": linear("attn.c_attn", [.fused, .width]),
            "blk.attn_output": linear("attn.c_proj", [.width, .width]),
            "blk.ffn_norm": norm("transformer.h.{}.ln_2"),
            "blk.ffn_up": linear("mlp.c_fc", [.hidden, .width]),
            "blk.ffn_down": linear("mlp.c_proj", [.width, .hidden]),
            "output_norm": norm("transformer.ln_f"),
            "output": Role(name: "lm_head", shape: [.vocabulary, .width])
        ]
    }
}
