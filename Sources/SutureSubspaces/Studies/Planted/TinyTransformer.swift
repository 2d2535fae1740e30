import SutureFormats
import SutureModels
import SutureTensor

/// A decoder of a few layers in Llama's form (RMS norms, rotation, gated MLPs), whose weights are made here.
struct TinyTransformer {
    var layers: Int
    var width: Int
    var hiddenWidth: Int
    var vocabulary: Int
    static let heads = 4

    var headWidth: Int { width / Self.heads }

    private var architecture: Architecture {
        get throws {
            try Architecture(
                config: [
                    "model_type": "llama", "num_hidden_layers": JSON(layers), "hidden_size": JSON(width),
                    "num_attention_heads": JSON(Self.heads), "intermediate_size": JSON(hiddenWidth),
                    "vocab_size": JSON(vocabulary), "max_position_embeddings": 64
                ])
        }
    }

    /// The model of such weights.
    func model(_ weights: [String: Tensor]) throws -> LanguageModel {
        try LanguageModel(architecture, tensors: weights)
    }

    /// The name of a layer's matrix, such as `mlp.up_proj`.
    static func name(_ part: String, _ layer: Int) -> String { "model.layers.\(layer).\(part).weight" }
    static let embedding = "model.embed_tokens.weight"
    static let head = "lm_head.weight"

    /// Random weights: embeddings of deviation 1, matrices that keep lengths times `gain`, norms of gain 1.
    func weights(_ random: RandomSource, gain: Double) throws -> [String: Tensor] {
        func matrix(_ out: Int, _ into: Int) throws -> Tensor {
            try random.normal([out, into]) * (gain / Double(into).squareRoot())
        }
        let ones = try Tensor.full([width], 1)
        var weights = [
            Self.embedding: try random.normal([vocabulary, width]), Self.head: try matrix(vocabulary, width),
            "model.norm.weight": ones
        ]
        for layer in 0..<layers {
            for part in ["input_layernorm", "post_attention_layernorm"] { weights[Self.name(part, layer)] = ones }
            for part in ["q_proj", "k_proj", "v_proj", "o_proj"] {
                weights[Self.name("self_attn.\(part)", layer)] = try matrix(width, width)
            }
            weights[Self.name("mlp.gate_proj", layer)] = try matrix(hiddenWidth, width)
            weights[Self.name("mlp.up_proj", layer)] = try matrix(hiddenWidth, width)
            weights[Self.name("mlp.down_proj", layer)] = try matrix(width, hiddenWidth)
        }
        return weights
    }
}

/// A small transformer with a place where directions are learned, and what is known of that place.
struct PlantedTransformer {
    let model: LanguageModel
    let location: Location
    let train: [TokenizedPair]
    let heldOut: [TokenizedPair]
    /// How it was made, in words.
    let kind: String
    let truth: Truth

    /// What decides whether a direction is illusory. No check of the evidence is told.
    enum Truth {
        /// The channels by which the feature passes; a direction that takes less than half of its effect from reading and
        /// writing there is illusory.
        case channels([Int])
        /// All that controls the output from here is, or is not.
        case site(isIllusory: Bool)
        /// Nothing of the feature is here.
        case blind
    }
}
