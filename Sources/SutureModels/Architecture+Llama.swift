import Foundation
import SutureFormats

extension Architecture {
    /// Llama, and with it Mistral (a sliding window) and Qwen2 (biases on queries, keys and values).
    static func llama(_ config: JSONField, family: String) throws -> Architecture {
        let width = try config.require("hidden_size").int
        let heads = try config.require("num_attention_heads").int
        let headWidth = try config.int("head_dim", default: heads > 0 ? width / heads : 0)
        let attentionBias = try family == "qwen2" || config.bool("attention_bias", default: false)
        let outputBias = try family != "qwen2" && config.bool("attention_bias", default: false)
        let mlpBias = try config.bool("mlp_bias", default: false)
        let context = try config.int("max_position_embeddings", default: 2048)

        func projection(_ name: String, bias: Bool) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "layers.{}.\(name)", bias: bias)
        }
        return Architecture(
            family: family,
            layers: try config.require("num_hidden_layers").int,
            width: width,
            heads: heads,
            keyValueHeads: try config.int("num_key_value_heads", default: heads),
            headWidth: headWidth,
            hiddenWidth: try config.require("intermediate_size").int,
            vocabulary: try config.require("vocab_size").int,
            contextLength: context,
            norm: .rms,
            epsilon: try config.double("rms_norm_eps", default: 1e-6),
            positions: try rotary(config, headWidth: headWidth, context: context),
            activation: try config.activation("hidden_act"),
            isGated: true,
            window: try window(config, family: family),
            tiedHead: try config.bool("tie_word_embeddings", default: false),
            tensors: TensorNames(
                prefixes: ["model.", ""],
                embedding: "embed_tokens.weight",
                attentionNorm: "layers.{}.input_layernorm",
                query: projection("self_attn.q_proj", bias: attentionBias),
                key: projection("self_attn.k_proj", bias: attentionBias),
                value: projection("self_attn.v_proj", bias: attentionBias),
                output: projection("self_attn.o_proj", bias: outputBias),
                mlpNorm: "layers.{}.post_attention_layernorm",
                gate: projection("mlp.gate_proj", bias: mlpBias),
                up: projection("mlp.up_proj", bias: mlpBias),
                down: projection("mlp.down_proj", bias: mlpBias),
                finalNorm: "norm",
                head: "lm_head.weight"))
    }

    private static func window(_ config: JSONField, family: String) throws -> Int? {
        switch family {
        case "mistral":
            return try config.optional("sliding_window")?.int
        case "qwen2":
            guard try config.bool("use_sliding_window", default: false) else { return nil }
            throw ModelError(
                .unsupported, "sliding windows in some layers only are not supported",
                subject: config.path + ".use_sliding_window",
                expected: "false", found: "true")
        default:
            return nil
        }
    }

    /// Frequencies theta^(-2i/w), changed as `rope_scaling` (or `rope_parameters`) asks.
    ///
    /// The `llama3` rule leaves high frequencies alone, divides low ones by the factor and blends in
    /// between (Llama 3.1's release; the same as in transformers).
    private static func rotary(_ config: JSONField, headWidth: Int, context: Int) throws -> Positions {
        let scaling = try config.optional("rope_parameters") ?? config.optional("rope_scaling")
        let theta = try scaling?.optional("rope_theta")?.double ?? config.double("rope_theta", default: 10_000)
        guard headWidth > 0, headWidth % 2 == 0, headWidth <= 1 << 16, theta > 0 else {
            throw ModelError(
                .unsupported, "rotary positions need an even head width", subject: config.path, found: "\(headWidth)")
        }
        let frequencies = stride(from: 0, to: headWidth, by: 2).map { pow(theta, -Double($0) / Double(headWidth)) }
        guard let scaling else { return .rotary(frequencies: frequencies) }

        let type = try (scaling.optional("rope_type") ?? scaling.optional("type"))?.string ?? "default"
        switch type {
        case "default":
            return .rotary(frequencies: frequencies)
        case "linear":
            let factor = try scaling.require("factor").double
            return .rotary(frequencies: frequencies.map { $0 / factor })
        case "llama3":
            let factor = try scaling.require("factor").double
            let low = try scaling.require("low_freq_factor").double
            let high = try scaling.require("high_freq_factor").double
            let trained = Double(try scaling.require("original_max_position_embeddings").int)
            let scaled = frequencies.map { frequency -> Double in
                let wavelength = 2 * Double.pi / frequency
                if wavelength < trained / high { return frequency }
                if wavelength > trained / low { return frequency / factor }
                let blend = (trained / wavelength - low) / (high - low)
                return (1 - blend) * frequency / factor + blend * frequency
            }
            return .rotary(frequencies: scaled)
        default:
            throw ModelError(
                .unsupported, "this scaling of rotary positions is not supported", subject: scaling.path,
                expected: "default, linear or llama3", found: type)
        }
    }
}
