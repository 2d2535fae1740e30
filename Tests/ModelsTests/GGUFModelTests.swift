import Foundation
import SutureFormats
import SutureModels
import SutureTestSupport
import SutureVariants
import Testing

@Suite("Models in GGUF files")
struct GGUFModelTests {
    /// Opens a seed with something done to it.
    private func checkpoint<Result>(
        _ name: String, _ change: (inout GGUFDraft) -> Void = { _ in }, _ body: (Checkpoint) throws -> Result
    ) throws -> Result {
        var draft = try GGUFDraft.seed(name, hasTokenizer: false)
        change(&draft)
        return try draft.withFile { try body(Checkpoint($0)) }
    }

    private func scores(_ name: String, _ change: (inout GGUFDraft) -> Void = { _ in }) throws -> [Float] {
        try checkpoint(name, change) { checkpoint in
            try LanguageModel.load(checkpoint).run([[3, 90, 7, 7, 41]], logits: .all).logits.elements()
        }
    }

    /// What a draft is refused for, when it is opened and described.
    private func refusal(_ name: String, _ change: (inout GGUFDraft) -> Void) throws -> any Diagnostic {
        do {
            try checkpoint(name, change) { _ = try Architecture($0) }
        } catch let error as any Diagnostic {
            return error
        }
        Issue.record("accepted")
        throw CancellationError()
    }

    @Test("seeds are right", arguments: GGUFDraft.names)
    func seeds(name: String) throws {
        #expect(try scores(name).allSatisfy(\.isFinite))
    }

    // MARK: Tensors

    /// Puts the rows of queries, keys and values into one tensor.
    private func fuse(_ draft: inout GGUFDraft) {
        for suffix in ["weight", "bias"] {
            for layer in 0... {
                let names = ["q", "k", "v"].map { "blk.\(layer).attn_\($0).\(suffix)" }
                let parts = names.compactMap { name in draft.tensors.first { $0.name == name } }
                guard parts.count == 3 else { break }
                var whole = parts[0]
                whole.name = "blk.\(layer).attn_qkv.\(suffix)"
                whole.sizes[whole.sizes.count - 1] = parts.reduce(0) { $0 + ($1.sizes.last ?? 0) }
                whole.bytes = parts.flatMap(\.bytes)
                draft.tensors.removeAll { names.contains($0.name) }
                draft.tensors.append(whole)
            }
        }
    }

    @Test("queries, keys and values may be one tensor, as older converters store them", arguments: ["qwen2"])
    func fused(name: String) throws {
        #expect(try scores(name) == scores(name, fuse))
        let twice = try refusal(name) { draft in
            guard let query = draft.tensors.first(where: { $0.name == "blk.0.attn_q.weight" }) else { return }
            fuse(&draft)
            draft.tensors.append(query)
        }
        #expect(twice.description.contains("blk.0.attn_q.weight"))
        let short = try refusal(name) { draft in
            fuse(&draft)
            draft.change("blk.1.attn_qkv.weight") { tensor in
                tensor.sizes[1] -= 1
                tensor.bytes.removeLast(tensor.bytes.count / Int(tensor.sizes[1] + 1))
            }
        }
        #expect(short.description.contains("blk.1.attn_qkv.weight"))
    }

    @Test(
        "a matrix is a matrix: no vector, no scalar, no other size",
        arguments: ["llama", "qwen2"],
        ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_down"])
    func ranks(name: String, part: String) throws {
        for sizes in [[], [1], [32], [32, 32, 1], [31, 32], [32, 33]] as [[UInt64]] {
            let error = try refusal(name) { draft in
                draft.change("blk.1.\(part).weight") { tensor in
                    tensor.sizes = sizes
                    tensor.type = 0
                    tensor.bytes = [UInt8](repeating: 0, count: 4 * Int(sizes.reduce(1, *)))
                }
            }
            #expect(error.kind == .badInput && error.description.contains("blk.1.\(part).weight"), "\(error)")
            #expect(error.expected != nil && error.found == "\(Array(sizes.reversed()))", "\(error)")
        }
    }

    @Test(
        "a tensor has one place, of a layer that is there",
        arguments: [
            "blk..attn_q.weight", "blk.attn_q.weight", "blk.01.attn_q.weight", "blk.2.attn_q.weight", "token_embd",
            "blk.18446744073709551616.attn_q.weight", "blk.0.attn_q.scale", "blk.0.output.weight", "output.bias", ""
        ])
    func names(added: String) throws {
        let error = try refusal("llama") { draft in
            for name in Set([added, "blk..attn_q.weight"]) {
                var tensor = draft.tensors[2]
                tensor.name = name
                draft.tensors.insert(tensor, at: 0)
            }
        }
        #expect(error.kind == .badInput)
    }

    @Test("biases of a Llama are put back in order as the rows of its matrices are")
    func biases() throws {
        try checkpoint("llama-bias") { checkpoint in
            #expect(checkpoint.config.value["attention_bias"] == true && checkpoint.config.value["mlp_bias"] == true)
            let file = try #require(checkpoint.gguf)
            for (stored, name, heads) in [("attn_q", "q_proj", 4), ("attn_k", "k_proj", 2)] {
                let values = try file.dequantize(#require(file["blk.1.\(stored).bias"]))
                let tensor = try #require(checkpoint["model.layers.1.self_attn.\(name).bias"])
                let data = try checkpoint.data(of: tensor)
                let found = withExtendedLifetime(data) { data.bytes.withMemoryRebound(to: Float.self) { Array($0) } }
                let expected = (0..<heads).flatMap { head in
                    (0..<2).flatMap { half in (0..<4).map { values[head * 8 + 2 * $0 + half] } }
                }
                #expect(found == expected)
            }
        }
    }

    @Test("a bias that transformers would have no place for is refused")
    func someBiases() throws {
        let error = try refusal("llama-bias") { $0.tensors.removeAll { $0.name.hasSuffix("attn_output.bias") } }
        #expect(error.description.contains("self_attn.o_proj.bias"))
        let other = try refusal("qwen2") { draft in
            var bias = draft.tensors.first { $0.name == "blk.0.attn_q.bias" }
            bias?.name = "blk.0.attn_output.bias"
            draft.tensors += [bias].compactMap(\.self)
        }
        #expect(other.description.contains("blk.0.attn_output.bias"))
    }

    // MARK: Settings

    @Test(
        "what a setting must be is said with its name, and what it is",
        arguments: [
            ("attention.head_count", .value(type: 10, GGUFDraft.bytes(UInt64(1) << 62)), "4611686018427387904"),
            ("attention.head_count", .value(type: 10, GGUFDraft.bytes(UInt64.max)), "18446744073709551615"),
            ("attention.head_count", .size(0), "found 0"), ("attention.head_count", .size(3), "a divisor of 32"),
            ("attention.head_count_kv", .value(type: 10, GGUFDraft.bytes(UInt64(1) << 62)), "1...268435456"),
            ("attention.head_count", .float(4), "expected an integer, found 4.0"),
            ("attention.head_count", .text("4"), "expected an integer, found \"4\""),
            ("block_count", .size(3), "model.layers.2"), ("block_count", .size(1), "blk.1.attn_norm.weight"),
            ("rope.dimension_count", .size(4), "expected 8, found 4"),
            ("rope.dimension_count", .float(.nan), "expected an integer, found nan"),
            ("rope.freq_base", .float(.nan), "expected a finite number, found nan"),
            ("rope.freq_base", .float(.infinity), "found inf"), ("rope.freq_base", .float(0), "found 0.0"),
            ("rope.freq_base", .float(-1e4), "found -10000.0"), ("rope.freq_base", .text("1e4"), "a finite number"),
            ("rope.freq_base", .float(0.01), "rope_theta"), ("rope.scaling.type", .text("ntk"), "yarn or longrope"),
            ("rope.scaling.type", .text("longrope"), "rope_factors_short.weight"),
            ("rope.scaling.type", .size(0), "a string"), ("rope.scaling.factor", .float(0), "a number above 0"),
            ("rope.scaling.factor", .float(.nan), "found nan"), ("rope.scale_linear", .float(-1), "found -1.0"),
            ("attention.layer_norm_rms_epsilon", .float(0), "above 0"),
            ("attention.layer_norm_rms_epsilon", .float(.nan), "finite"),
            ("attention.layer_norm_rms_epsilon", .float(2), "the epsilon of the norms is out of range"),
            ("attention.key_length", .size(16), "attn_q.weight"), ("attention.value_length", .size(4), "expected 8"),
            ("context_length", .size(0), "found 0"), ("embedding_length", .size(64), "token_embd.weight"),
            ("vocab_size", .size(7), "found 7"), ("attention.scale", .float(0.5), "attention.scale"),
            ("expert_count", .size(8), "mixtures of experts"),
            ("attention.sliding_window", .size(16), "sliding_window"),
            ("attention.causal", .value(type: 7, [0]), "found false"), ("unheard_of", .size(1), "could change"),
            ("final_logit_softcapping", .float(30), "found 30.0"),
            ("tensor_data_layout", .text("reference"), "reference")
        ] as [(String, GGUFDraft.Field, String)])
    func refused(key: String, value: GGUFDraft.Field, says: String) throws {
        let error = try refusal("llama") { $0.set("llama.\(key)", value) }
        #expect(error.kind == .badInput && error.description.contains(says), "\(error)")
    }

    @Test("a part of a model, and what is no model, is told so")
    func parts() throws {
        let part = try refusal("llama") { draft in
            draft.set("split.no", .size(0))
            draft.set("split.count", .size(2))
        }
        #expect(part.description.contains("part 1 of 2") && part.hint?.contains("join") == true, "\(part)")
        let adapter = try refusal("llama") { $0.set("general.type", .text("adapter")) }
        #expect(adapter.description.contains("found adapter"), "\(adapter)")
    }

    @Test("settings that change nothing are taken", arguments: ["llama", "qwen2"])
    func neutral(family: String) throws {
        let expected = try scores(family)
        let found = try scores(family) { draft in
            draft.set("\(family).expert_count", .size(0))
            draft.set("\(family).attention.causal", .value(type: 7, [1]))
            draft.set("\(family).rope.dimension_count", .size(8))
            draft.set("\(family).rope.scaling.factor", .float(1))
            draft.set("\(family).tensor_data_layout", .text(family == "llama" ? "Meta AI original pth" : "reference"))
            draft.set("general.unheard_of", .size(1))
            draft.set("split.count", .size(1))
        }
        #expect(found == expected)
    }

    @Test("a Granite without rotary positions, as llama.cpp takes this setting, is refused")
    func granitePositions() throws {
        func granite(_ draft: inout GGUFDraft, isRotary: UInt8) {
            draft.metadata = draft.metadata.map { ($0.key.replacing("llama.", with: "granite."), $0.field) }
            draft.set("general.architecture", .text("granite"))
            draft.set("granite.rope.scaling.finetuned", .value(type: 7, [isRotary]))
        }
        #expect(try scores("llama") { granite(&$0, isRotary: 1) }.allSatisfy(\.isFinite))
        let error = try refusal("llama") { granite(&$0, isRotary: 0) }
        #expect(error.description.contains("rope.scaling.finetuned"), "\(error)")
    }

    @Test("linear scaling by its old key, or by a factor without a type, is what it is by the new ones")
    func linearScaling() throws {
        let expected = try scores("llama-linear")
        func scaled(_ key: String) throws -> [Float] {
            try scores("llama-linear") { draft in
                draft.metadata.removeAll { $0.key.contains("rope.scaling") }
                draft.set("llama.\(key)", .float(2))
            }
        }
        #expect(try scaled("rope.scale_linear") == expected)
        #expect(try scaled("rope.scaling.factor") == expected)
        #expect(try scores("llama") != expected)
    }

    @Test(
        "whatever a setting becomes, it is refused or it counts",
        arguments: ["llama-linear", "llama-wide", "qwen2", "gpt2"])
    func nothingIgnored(name: String) throws {
        let family = String(name.prefix { $0 != "-" })
        let expected = try checkpoint(name) { try Architecture($0) }
        let before = try GGUFDraft.seed(name, hasTokenizer: false).metadata
        for (key, old) in before where key.hasPrefix("\(family).") {
            for value in GGUFDraft.Field.hostile
            where value != old && (value.number == nil || value.number != old.number) {
                let found = try? checkpoint(name) {
                    $0.set(key, value)
                } _: {
                    try Architecture($0)
                }
                #expect(found != expected, "\(key): \(value) is ignored")
            }
        }
    }
}

extension GGUFDraft {
    mutating func set(_ key: String, _ value: Field) {
        if let position = metadata.firstIndex(where: { $0.key == key }) {
            metadata[position].field = value
        } else {
            metadata.append((key, value))
        }
    }

    mutating func change(_ name: String, _ change: (inout Tensor) -> Void) {
        for position in tensors.indices where tensors[position].name == name { change(&tensors[position]) }
    }
}

extension GGUFDraft.Field {
    /// The number, of the types that the hostile values have.
    var number: Double? {
        guard case .value(let type, let bytes) = self, bytes.count >= 4 || type < 2 else { return nil }
        let word = bytes.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        switch type {
        case 0: return Double(bytes[0])
        case 4: return Double(word)
        case 5: return Double(Int32(bitPattern: word))
        case 6: return Double(Float(bitPattern: word))
        default: return nil
        }
    }
}
