import Foundation
import SutureFormats
import SutureTestSupport

extension GGUFDraft {
    /// Tiny models that are right: one for each family, and what families can have beside.
    public static let names = ["llama", "llama-bias", "llama-linear", "llama-wide", "qwen2", "gpt2"]

    private static let (width, heads, hidden, layers, context) = (32, 4, 64, 2, 48)

    /// The seed of that name, with the tokenizer of a golden file, or with none and a vocabulary of 99.
    public static func seed(_ name: String, hasTokenizer: Bool = true) throws -> GGUFDraft {
        let drafts = try (hasTokenizer ? complete : bare).get()
        guard let draft = drafts[name] else { preconditionFailure("no seed \(name)") }
        return draft
    }

    // Made once: millions of random numbers take a debug build seconds.
    private static let complete = Result { try all(hasTokenizer: true) }
    private static let bare = Result { try all(hasTokenizer: false) }

    private static func all(hasTokenizer: Bool) throws -> [String: GGUFDraft] {
        try Dictionary(uniqueKeysWithValues: names.map { ($0, try made($0, hasTokenizer: hasTokenizer)) })
    }

    private static func made(_ name: String, hasTokenizer: Bool) throws -> GGUFDraft {
        let family = String(name.prefix { $0 != "-" })
        let tokenizers = ["llama": "sentencepiece", "llama-bias": "llama3", "gpt2": "gpt2", "qwen2": "qwen2"]
        let source = try GGUFFile(Goldens.url("tokenizers/\(tokenizers[name] ?? "gpt2").gguf"))
        let vocabulary = hasTokenizer ? try source.strings("tokenizer.ggml.tokens").count : 99
        var draft = GGUFDraft()
        draft.metadata = [("general.architecture", .text(family)), ("general.name", .text("seed"))]
        for (key, size) in [
            ("context_length", context), ("embedding_length", width), ("block_count", layers),
            ("feed_forward_length", hidden), ("attention.head_count", heads)
        ] { draft.metadata.append(("\(family).\(key)", .size(size))) }
        if family == "gpt2" {
            draft.metadata.append(("gpt2.attention.layer_norm_epsilon", .float(1e-5)))
        } else {
            draft.metadata += [
                ("\(family).attention.head_count_kv", .size(2)),
                ("\(family).attention.layer_norm_rms_epsilon", .float(1e-5)),
                ("\(family).rope.freq_base", .float(10_000))
            ]
        }
        if name == "llama-linear" {
            draft.metadata += [
                ("llama.rope.scaling.type", .text("linear")), ("llama.rope.scaling.factor", .float(2)),
                ("llama.vocab_size", .size(vocabulary))
            ]
        }
        let headWidth = name == "llama-wide" ? 16 : 8
        if name == "llama-wide" {
            draft.metadata += ["attention.key_length", "attention.value_length", "rope.dimension_count"].map {
                ("llama.\($0)", .size(headWidth))
            }
        }
        for (key, value) in source.metadata where hasTokenizer && key.string.hasPrefix("tokenizer.") {
            draft.metadata.append((key.string, Field(value)))
        }
        draft.addTensors(family, vocabulary, headWidth: headWidth, hasBias: name == "llama-bias")
        return draft
    }

    private mutating func addTensors(_ family: String, _ vocabulary: Int, headWidth: Int, hasBias: Bool) {
        var random = SplitMix64(state: 7)
        func add(_ name: String, _ shape: [Int], isNorm: Bool = false, bias: Bool = false) {
            // One matrix of blocks, whose rows are multiples of 32; the others are stored as they are.
            let isQuantized = name.contains("ffn_up") || name.contains("1.attn_q.")
            tensors.append(Tensor(name + ".weight", shape, isQuantized ? 8 : 0, &random, isNorm: isNorm))
            if bias { tensors.append(Tensor(name + ".bias", [shape[0]], 0, &random)) }
        }
        let (width, hidden) = (Self.width, Self.hidden)
        let (queries, keys) = (Self.heads * headWidth, 2 * headWidth)
        add("token_embd", [vocabulary, width])
        if family == "gpt2" { add("position_embd", [Self.context, width]) }
        for layer in 0..<Self.layers {
            let block = "blk.\(layer)."
            if family == "gpt2" {
                add(block + "attn_norm", [width], isNorm: true, bias: true)
                add(block + "attn_qkv", [3 * width, width], bias: true)
                add(block + "attn_output", [width, width], bias: true)
                add(block + "ffn_norm", [width], isNorm: true, bias: true)
                add(block + "ffn_up", [hidden, width], bias: true)
                add(block + "ffn_down", [width, hidden], bias: true)
            } else {
                let bias = hasBias || family == "qwen2"
                add(block + "attn_norm", [width], isNorm: true)
                add(block + "attn_q", [queries, width], bias: bias)
                add(block + "attn_k", [keys, width], bias: bias)
                add(block + "attn_v", [keys, width], bias: bias)
                add(block + "attn_output", [width, queries], bias: hasBias)
                add(block + "ffn_norm", [width], isNorm: true)
                for (part, shape) in [
                    ("ffn_gate", [hidden, width]), ("ffn_up", [hidden, width]), ("ffn_down", [width, hidden])
                ] { add(block + part, shape, bias: hasBias) }
            }
        }
        add("output_norm", [width], isNorm: true, bias: family == "gpt2")
        if family == "llama" { add("output", [vocabulary, width]) }
    }
}

extension GGUFDraft.Tensor {
    /// Random weights, stored as F32, or as Q8_0 for another type.
    init(
        _ name: String, _ shape: [Int], _ type: UInt32, _ random: inout some RandomNumberGenerator, isNorm: Bool = false
    ) {
        self.name = name
        self.type = type
        sizes = shape.reversed().map(UInt64.init)
        let count = shape.reduce(1, *)
        if type == 0 {
            bytes = (0..<count).flatMap { _ in
                GGUFDraft.bytes(Float.random(in: isNorm ? 0.5...1.5 : -0.3...0.3, using: &random).bitPattern)
            }
        } else {
            // Blocks of 32 with a scale of about 1/512.
            bytes = (0..<count / 32).flatMap { _ in
                [0x00, 0x18] + (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
        }
    }
}
