import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@Suite("What a description of a family promises")
struct FamilyTests {
    @Test("what an MLP reads is what its neurons' activations come of", arguments: TinyModel.names)
    func mlpInput(name: String) throws {
        let model = try TinyModel(name).model
        let layers = 0..<model.architecture.layers
        let sites = layers.flatMap { [Site.residual($0), .attentionOut($0), .mlpHidden($0)] }
        let trace = try model.trace([TinyModel.promptA], capturing: sites)
        for layer in layers {
            let sources = try model.architecture.mlpSources(layer: layer).map { try trace[$0] }
            let stream = try sources.dropFirst().reduce(sources[0]) { try $0 + $1 }
            let input = try trace.mlpInput(layer)
            #expect(try distance(model.mlpInput(layer: layer, stream: stream), input) < 1e-5)
            for index in [0, 13] {
                let neuron = Neuron(layer: layer, index: index)
                let found = try model.activation(of: neuron, reading: model.readVectors(neuron), input)
                #expect(try distance(found, trace[.mlpHidden(layer)].selected(2, index)) < 1e-5)
            }
        }
    }

    @Test("queries are what a head reads of the stream", arguments: TinyModel.names)
    func queryReading(name: String) throws {
        let model = try TinyModel(name).model
        let architecture = model.architecture
        let (layer, head, width) = (1, 1, architecture.headWidth)
        // At the first position nothing is rotated; the difference of two prompts is without biases.
        let reading = try model.queryReading(layer: layer, head: head)
        let pair = try [TinyModel.promptA, TinyModel.promptB].map { prompt in
            let run = try model.run([[prompt[0]]], capturing: [.residual(layer), .queries(layer)])
            let stream = try run[.residual(layer)].reshaped([architecture.width])
            let centered = architecture.norm == .layer ? try stream - stream.mean() : stream
            let scale = try (centered.square().mean() + architecture.epsilon).sqrt()
            return (
                read: try (stream / scale).linear(reading),
                query: try run[.queries(layer)].reshaped([-1]).narrowed(0, head * width..<(head + 1) * width)
            )
        }
        if name == "qwen3" {
            for (read, query) in pair {
                #expect(try abs((read * query).sum().item() / (read.norm() * query.norm()).item() - 1) < 1e-5)
            }
        } else {
            #expect(try distance(pair[0].read - pair[1].read, pair[0].query - pair[1].query) < 1e-4)
        }
    }

    @Test("tensors belong to the part of a layer that they change")
    func parts() throws {
        func part(_ name: String, _ tensor: String) throws -> (part: LayerPart, writes: Bool)? {
            try TinyModel(name).model.architecture.part(of: tensor)
        }
        let attention = LayerPart(.attention, layer: 2)
        let mlp = LayerPart(.mlp, layer: 2)
        let cases: [(String, String, LayerPart?, Bool?)] = [
            ("codegen", "transformer.h.2.ln_1.weight", nil, nil),
            ("codegen", "transformer.h.2.attn.qkv_proj.weight", attention, false),
            ("codegen", "transformer.h.2.mlp.fc_out.bias", mlp, true), ("codegen", "lm_head.bias", nil, nil),
            ("gpt-neox", "gpt_neox.layers.2.input_layernorm.weight", attention, false),
            ("gpt-neox", "gpt_neox.layers.2.post_attention_layernorm.bias", mlp, false),
            ("gpt-neox", "gpt_neox.layers.2.attention.dense.weight", attention, true),
            ("qwen3", "model.layers.2.self_attn.q_norm.weight", attention, false),
            ("phi3", "model.layers.2.mlp.gate_up_proj.weight", mlp, false)
        ]
        for (name, tensor, expected, writes) in cases {
            let found = try part(name, tensor)
            #expect(found?.part == expected && found?.writes == writes, "\(tensor)")
        }
    }

    @Test(
        "a variant or a family that is not there is told so",
        arguments: [
            ("phi", "qk_layernorm", true, "qk_layernorm"),
            ("gpt-bigcode", "scale_attn_weights", false, "scale_attn_weights"),
            ("gemma", "use_bidirectional_attention", true, "use_bidirectional_attention"),
            ("codegen", "n_head", 6, "a multiple of 4"),
            ("codegen", "rotary_dim", 8, "more channels are rotated"), ("gpt-neox", "hidden_act", "swish9", "swish9"),
            ("gpt-neox", "rope_parameters", ["rope_type": "ntk"], "ntk"), ("llama", "model_type", "gemma9", "gemma9"),
            (
                "llama", "rope_parameters",
                [
                    "rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0],
                    "original_max_position_embeddings": 8
                ], "a factor for each pair of channels"
            ),
            ("llama", "rope_parameters", ["full_attention": ["rope_type": "default"]], "by kind of layer"),
            ("starcoder2", "sliding_window", 0, "sliding_window: this size is out of range"),
            ("llama", "rope_parameters", ["rope_theta": 0.0], "rope_theta: this number is out of range"),
            ("llama", "rope_parameters", ["rope_theta": -10000.0], "found -10000.0"),
            ("gpt-neox-sequential", "rotary_emb_base", 0, "rotary_emb_base"),
            ("llama-tied", "rope_theta", 1e300, "1.0...1e+30"),
            ("qwen2", "rope_parameters", ["rope_type": "linear", "factor": 0.0], "factor: this number is out of range"),
            ("qwen2", "rope_parameters", ["rope_type": "linear", "factor": -2], "found -2.0"),
            ("llama-tied", "rope_scaling", Self.llama3(factor: 0), "factor"),
            ("llama-tied", "rope_scaling", Self.llama3(low: 0), "low_freq_factor"),
            ("llama-tied", "rope_scaling", Self.llama3(low: 4), "wrong order"),
            ("llama-tied", "rope_scaling", Self.llama3(trained: 0), "original_max_position_embeddings"),
            ("llama", "rms_norm_eps", 0.0, "the epsilon"), ("llama", "rms_norm_eps", -1e-5, "the epsilon"),
            ("gpt2", "layer_norm_epsilon", 1e300, "the epsilon"), ("llama", "head_dim", 7, "an even number"),
            ("gpt2", "n_head", 5, "cannot be shared out among the heads"),
            ("phi", "num_attention_heads", 64, "cannot be shared out among the heads"),
            ("llama", "partial_rotary_factor", 0.5, "all channels of a head"),
            ("phi", "rope_parameters", ["partial_rotary_factor": 1.5], "0.0...1.0"),
            ("phi", "rope_parameters", ["partial_rotary_factor": 0.0], "an even number"),
            ("gemma", "hidden_activation", "relu", "two activations"),
            ("llama", "attention_multiplier", 0.5, "attention_multiplier: this setting is not supported"),
            ("gemma", "final_logit_softcapping", 30.0, "could change what the model computes"),
            ("llama", "sliding_window", 16, "sliding_window"), ("qwen3", "num_experts", 8, "num_experts"),
            ("qwen2", "layer_types", ["full_attention", "sliding_attention"], "2 entries"),
            ("gptj", "rotary", false, "rotary"), ("mistral", "attention_bias", true, "attention_bias"),
            ("llama", "quantization_config", ["quant_method": "gptq"], "the weights are quantized")
        ] as [(String, ByteString, JSON, String)])
    func refused(name: String, key: ByteString, value: JSON, says: String) throws {
        let error = #expect(throws: ModelError.self) { try Self.architecture(name, [key: value]) }
        let description = error?.description ?? ""
        #expect(error?.code == .unsupported && description.contains(says), "\(description)")
    }

    @Test(
        "a known setting of another type is told so",
        arguments: [
            ("llama", "rms_norm_eps", nil), ("llama", "rms_norm_eps", "1e-5"), ("llama", "attention_bias", 1),
            ("llama", "rope_theta", true), ("gpt2", "scale_attn_weights", nil), ("gptj", "rotary_dim", nil),
            ("gpt-bigcode", "multi_query", nil), ("mistral", "sliding_window", "5"), ("phi", "tie_word_embeddings", [])
        ] as [(String, ByteString, JSON)])
    func wrongType(name: String, key: ByteString, value: JSON) throws {
        let changes: [ByteString: JSON] = key == "rope_theta" ? [key: value, "rope_parameters": nil] : [key: value]
        let error = #expect(throws: FormatError.self) { try Self.architecture(name, changes) }
        #expect(error?.code == .wrongJSONType && error?.subject == "config.json: \(key)", "\(error?.description ?? "")")
    }

    @Test(
        "a setting that changes nothing is taken, whatever it is called",
        arguments: [
            ("llama", "sliding_window", nil), ("llama", "rope_interleaved", false), ("llama", "note", ["a": 1]),
            ("llama", "partial_rotary_factor", 1.0), ("qwen2", "sliding_window", 4096), ("llama", "properties", 7),
            ("starcoder2", "norm_type", "layer_norm"), ("phi", "qk_layernorm", false), ("gpt2", "attn_pdrop", 0.5),
            ("llama", "attention_multiplier", 1.0), ("gpt2", "layer_types", ["full_attention"]),
            ("llama-tied", "rope_parameters", ["rope_type": "linear", "factor": 3.0])
        ] as [(String, ByteString, JSON)])
    func harmless(name: String, key: ByteString, value: JSON) throws {
        #expect(try Self.architecture(name, [key: value]) == Self.architecture(name, [:]))
    }

    @Test("a mixture of experts is named as such")
    func experts() throws {
        let error = #expect(throws: ModelError.self) {
            try Self.architecture("mistral", ["model_type": "mixtral", "num_local_experts": 8])
        }
        #expect(error?.hint == "mixtures of experts are not supported")
        #expect(error?.expected?.contains("gpt_neox, gptj, granite, llama") == true)
    }

    @Test(
        "whatever a number in a configuration is, the answer is a description or an error", arguments: TinyModel.names)
    func hostileNumbers(name: String) throws {
        let config = try #require(try Self.config(name).objectValue)
        let values: [JSON] = [-1, 0, 1, 3, JSON(1 << 20), JSON(1 << 28), JSON(Int.max), JSON(Int.min), 1e300, "x", nil]
        var described = 0
        for (key, value) in config where value.doubleValue != nil {
            for value in values {
                guard let architecture = try? Self.architecture(name, [key: value]) else { continue }
                described += 1
                // Weights that do not fit are an error as well.
                _ = try? LanguageModel(architecture, tensors: [:])
            }
        }
        #expect(described > 0)
    }

    private static func llama3(
        factor: Double = 8, low: Double = 1, high: Double = 4, trained: Int = 32
    ) -> JSON {
        [
            "rope_type": "llama3", "factor": JSON(factor), "low_freq_factor": JSON(low), "high_freq_factor": JSON(high),
            "original_max_position_embeddings": JSON(trained)
        ]
    }

    private static func config(_ name: String) throws -> JSON {
        try JSON.parse(Array(try Data(contentsOf: Goldens.url("models/\(name)/config.json"))))
    }

    private static func architecture(_ name: String, _ changes: [ByteString: JSON]) throws -> Architecture {
        var config = try config(name).objectValue ?? JSONObject()
        for (key, value) in changes { config[key] = value }
        return try Architecture(config: .object(config))
    }
}

@Suite("Memory")
struct MemoryTests {
    @Test("a model that does not fit into memory is refused before it is read, with both figures")
    func vast() throws {
        try withTemporaryDirectory { directory in
            try TinySnapshot.writeVast(to: directory)
            let error = #expect(throws: ModelError.self) { try LanguageModel.load(directory) }
            #expect(error?.code == .tooLarge && error?.kind == .refused)
            #expect(error?.expected == "4502.0 GB at least" && error?.found?.hasSuffix(" GB") == true)
        }
    }

    @Test("too little memory is refused before a model is read, with both figures")
    func tooLarge() throws {
        let url = Goldens.url("models/codegen")
        let error = #expect(throws: ModelError.self) { try LanguageModel.load(url, memory: 100_000_000) }
        #expect(error?.code == .tooLarge && error?.kind == .refused)
        #expect(error?.expected == "0.54 GB at least" && error?.found == "0.10 GB")
        #expect(throws: Never.self) { try LanguageModel.load(url, memory: 1_000_000_000) }
    }
}
