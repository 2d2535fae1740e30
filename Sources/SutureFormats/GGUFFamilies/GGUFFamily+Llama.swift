extension GGUFFamily {
    static let llama = GGUFFamily(
        name: "llama", modelType: "llama", modelClass: "LlamaForCausalLM", epsilon: rms,
        roles: llamaRoles(interleaved: true, biased: ["q", "k", "v", "output", "gate", "up", "down"])
    ) { (settings: inout GGUFSettings, _: GGUFSizes) -> JSON.Members in biases(settings) }

    static let rms: (gguf: String, snapshot: ByteString) = ("attention.layer_norm_rms_epsilon", "rms_norm_eps")

    /// transformers knows biases of all four projections or of none; a lack shows when the tensors are checked.
    static func biases(_ settings: GGUFSettings) -> JSON.Members {
        let parts: [(ByteString, String)] = [("attention_bias", "attn_"), ("mlp_bias", "ffn_")]
        return parts.compactMap { key, part in
            let hasBias = settings.file.tensors.contains { name, _ in
                name.string.hasPrefix("blk.") && name.string.contains(".\(part)") && name.string.hasSuffix(".bias")
            }
            return hasBias ? (key, JSON(true)) : nil
        }
    }

    /// Llama's tensors, from which those of others start.
    static func llamaRoles(interleaved: Bool = false, biased: Set<String> = [], gains: Order = .same) -> [String: Role]
    {
        func attention(_ part: String, _ target: String, _ shape: [Size], _ order: Order = .same) -> Role {
            Role(
                name: "model.layers.{}.self_attn.\(target)", shape: shape, order: interleaved ? order : .same,
                mayHaveBias: biased.contains(part))
        }
        func mlp(_ part: String, _ shape: [Size]) -> Role {
            Role(name: "model.layers.{}.mlp.\(part)_proj", shape: shape, mayHaveBias: biased.contains(part))
        }
        func norm(_ target: String) -> Role { Role(name: target, shape: [.width], order: gains) }
        return [
            "token_embd": Role(name: "model.embed_tokens", shape: [.vocabulary, .width]),
            "blk.attn_norm": norm("model.layers.{}.input_layernorm"),
            "blk.attn_q": attention("q", "q_proj", [.queries, .width], .queryHeads),
            "blk.attn_k": attention("k", "k_proj", [.keys, .width], .keyHeads),
            "blk.attn_v": attention("v", "v_proj", [.keys, .width]),
            "blk.attn_output": attention("output", "o_proj", [.width, .queries]),
            "blk.ffn_norm": norm("model.layers.{}.post_attention_layernorm"),
            "blk.ffn_gate": mlp("gate", [.hidden, .width]),
            "blk.ffn_up": mlp("up", [.hidden, .width]),
            "blk.ffn_down": mlp("down", [.width, .hidden]),
            "output_norm": norm("model.norm"),
            "output": Role(name: "lm_head", shape: [.vocabulary, .width])
        ]
    }

    /// The norms of each head's queries and keys, or of all heads' together.
    static func queryNorms(_ gains: Order = .same, _ shapes: (Size, Size) = (.head, .head)) -> [String: Role] {
        [
            "blk.attn_q_norm": Role(name: "model.layers.{}.self_attn.q_norm", shape: [shapes.0], order: gains),
            "blk.attn_k_norm": Role(name: "model.layers.{}.self_attn.k_norm", shape: [shapes.1], order: gains)
        ]
    }

    /// The norms of what attention and the MLP write.
    static func outNorms(_ gains: Order = .same) -> [String: Role] {
        [
            "blk.post_attention_norm": Role(
                name: "model.layers.{}.post_attention_layernorm", shape: [.width], order: gains),
            "blk.post_ffw_norm": Role(
                name: "model.layers.{}.post_feedforward_layernorm", shape: [.width], order: gains)
        ]
    }
}
