/// A family of models in GGUF files: where its tensors stand in a snapshot, and what shapes they must have.
struct GGUFFamily: Sendable {
    /// As `general.architecture` and `model_type` have it.
    let name: String
    /// What stands before the names of its settings' epsilon.
    let epsilonKey: String
    /// The roles of its tensors by their names without layer and suffix.
    let roles: [String: Role]

    /// Whether the rows of each head's queries and keys are in another order than in a snapshot.
    var isInterleaved: Bool { roles["blk.attn_q"]?.order == .queryHeads }

    /// Sizes that the settings of a file give.
    enum Size: Sendable { case width, queries, keys, fused, hidden, vocabulary, context }

    /// How the rows of a stored tensor stand to those of the original.
    enum Order: Sendable {
        case same
        /// The converter for Llama interleaves the two halves of each head's rows, those of a bias too.
        case queryHeads, keyHeads
        /// GPT-2's Conv1D matrices are stored the other way round; their biases are not.
        case transposed
    }

    /// What a tensor is.
    struct Role: Sendable {
        /// Its name in a snapshot; `{}` is the layer.
        let name: String
        /// The shape of the weight in the GGUF file, outermost first: one size for a vector, two for a matrix.
        let shape: [Size]
        var order = Order.same
        /// Whether there may be a bias, of the weight's outermost size.
        var mayHaveBias = false
    }

    static let all: [String: GGUFFamily] = [
        "llama": llamaLike("llama", interleaved: true, biased: ["q", "k", "v", "output", "gate", "up", "down"]),
        "qwen2": llamaLike("qwen2", interleaved: false, biased: ["q", "k", "v"]),
        "gpt2": gpt2
    ]

    private static func llamaLike(_ name: String, interleaved: Bool, biased: Set<String>) -> GGUFFamily {
        func attention(_ part: String, _ target: String, _ shape: [Size], _ order: Order = .same) -> Role {
            Role(
                name: "model.layers.{}.self_attn.\(target)", shape: shape, order: interleaved ? order : .same,
                mayHaveBias: biased.contains(part))
        }
        func mlp(_ part: String, _ shape: [Size]) -> Role {
            Role(name: "model.layers.{}.mlp.\(part)_proj", shape: shape, mayHaveBias: biased.contains(part))
        }
        return GGUFFamily(
            name: name, epsilonKey: "attention.layer_norm_rms_epsilon",
            roles: [
                "token_embd": Role(name: "model.embed_tokens", shape: [.vocabulary, .width]),
                "blk.attn_norm": Role(name: "model.layers.{}.input_layernorm", shape: [.width]),
                "blk.attn_q": attention("q", "q_proj", [.queries, .width], .queryHeads),
                "blk.attn_k": attention("k", "k_proj", [.keys, .width], .keyHeads),
                "blk.attn_v": attention("v", "v_proj", [.keys, .width]),
                "blk.attn_output": attention("output", "o_proj", [.width, .queries]),
                "blk.ffn_norm": Role(name: "model.layers.{}.post_attention_layernorm", shape: [.width]),
                "blk.ffn_gate": mlp("gate", [.hidden, .width]),
                "blk.ffn_up": mlp("up", [.hidden, .width]),
                "blk.ffn_down": mlp("down", [.width, .hidden]),
                "output_norm": Role(name: "model.norm", shape: [.width]),
                "output": Role(name: "lm_head", shape: [.vocabulary, .width])
            ])
    }

    private static let gpt2: GGUFFamily = {
        func linear(_ target: String, _ shape: [Size]) -> Role {
            Role(name: "transformer.h.{}.\(target)", shape: shape, order: .transposed, mayHaveBias: true)
        }
        func norm(_ target: String) -> Role { Role(name: target, shape: [.width], mayHaveBias: true) }
        return GGUFFamily(
            name: "gpt2", epsilonKey: "attention.layer_norm_epsilon",
            roles: [
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
            ])
    }()

    /// The family that a file says it is of.
    static func of(_ file: GGUFFile) throws -> GGUFFamily {
        let name = try file.string("general.architecture")
        guard let family = all[name] else {
            throw FormatError(
                .unsupportedModel, "this model family is not supported",
                subject: "\(file.file.name): general.architecture", expected: "llama, qwen2 or gpt2", found: name)
        }
        return family
    }
}
