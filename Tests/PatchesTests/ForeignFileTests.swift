import Foundation
import SutureFormats
import SuturePatches
import SutureTestSupport
import Testing

@Suite("Snapshots as other software writes them")
struct ForeignFileTests {
    private func write(
        _ tensors: [(name: String, shape: [Int], values: [Float])], config: String = #"{"model_type": "llama"}"#,
        to directory: URL
    ) throws -> URL {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Data(config.utf8).write(to: directory.appending(path: "config.json"))
        let sources = tensors.map { tensor in
            SafetensorsSource(
                tensor.name, .float32, tensor.shape, bytes: tensor.values.withUnsafeBytes { Array($0) })
        }
        try SafetensorsWriter.write(sources, to: directory.appending(path: "model.safetensors"))
        return directory
    }

    private func values(_ model: URL, _ name: String) throws -> [Float] {
        let checkpoint = try Checkpoint(model)
        let tensor = try #require(checkpoint[name])
        let data = try checkpoint.data(of: tensor)
        return withExtendedLifetime(data) { Array(data.bytes.bindMemory(to: Float.self)) }
    }

    private let table: [Float] = [1, 2, 3, 4, 5, 6]

    @Test("a stored head that is the embeddings once more changes with them, and back")
    func copiedHead() throws {
        try withTemporaryDirectory { directory in
            let tuned = table.map { $0 + 1 }
            let base = try write(
                [("model.embed_tokens.weight", [3, 2], table), ("lm_head.weight", [3, 2], table)],
                to: directory.appending(path: "base"))
            let other = try write(
                [("model.embed_tokens.weight", [3, 2], tuned)], to: directory.appending(path: "tuned"))
            let extraction = try Extraction(from: Checkpoint(base), to: Checkpoint(other), as: .full)
            #expect(extraction.ignored.isEmpty && extraction.parts.map(\.tensor) == ["model.embed_tokens.weight"])
            let out = directory.appending(path: "out")
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(extraction.patch)]).write(to: out)
            #expect(try values(out, "model.embed_tokens.weight") == tuned)
            #expect(try values(out, "lm_head.weight") == tuned)
            let back = directory.appending(path: "back")
            try PatchedCheckpoint(Checkpoint(out)).removing(extraction.patch.id).write(to: back)
            #expect(try values(back, "lm_head.weight") == table)
        }
    }

    @Test("a head of its own stays as it is")
    func ownHead() throws {
        try withTemporaryDirectory { directory in
            let head = table.map { -$0 }
            let base = try write(
                [("model.embed_tokens.weight", [3, 2], table), ("lm_head.weight", [3, 2], head)],
                to: directory.appending(path: "base"))
            let tuned = try write(
                [("model.embed_tokens.weight", [3, 2], table.map { $0 + 1 }), ("lm_head.weight", [3, 2], head)],
                to: directory.appending(path: "tuned"))
            let patch = try Extraction(from: Checkpoint(base), to: Checkpoint(tuned), as: .full).patch
            let out = directory.appending(path: "out")
            try PatchedCheckpoint(Checkpoint(base)).adding([AppliedPatch(patch)]).write(to: out)
            #expect(try values(out, "lm_head.weight") == head)
        }
    }

    @Test("GPT-NeoX's head has its name in transformers in an adapter, and its own in the model")
    func otherHead() throws {
        try withTemporaryDirectory { directory in
            let base = try Checkpoint(
                write(
                    [("gpt_neox.embed_in.weight", [3, 2], table), ("embed_out.weight", [3, 2], table.map { -$0 })],
                    config: #"{"model_type": "gpt_neox"}"#, to: directory.appending(path: "base")))
            let edit = Edit.rows([1], of: "embed_out.weight", adding: [0.5, -1])
            let patch = try Patch([edit], of: base, method: Patch.Method(name: "test", options: [:]))
            let adapter = directory.appending(path: "adapter")
            try Adapter(AppliedPatch(patch)).writePEFT(to: adapter, base: base)
            let file = try SafetensorsFile(adapter.appending(path: "adapter_model.safetensors"))
            #expect(file.tensors.contains { $0.name == "base_model.model.lm_head.lora_A.weight" })
            let again = try Patch(importing: adapter, base: base)
            #expect(again.edits.map(\.tensor) == ["embed_out.weight"])
        }
    }

    @Test("GPT-2 under its published names is the same model, without its masks")
    func publishedNames() throws {
        try withTemporaryDirectory { directory in
            let config = #"{"model_type": "gpt2"}"#
            let matrix = [Float](repeating: 1, count: 4)
            let base = try write(
                [
                    ("wte.weight", [3, 2], table), ("h.0.mlp.c_proj.weight", [2, 2], matrix),
                    ("h.0.attn.bias", [1, 1, 2, 2], matrix)
                ], config: config, to: directory.appending(path: "base"))
            let tuned = try write(
                [
                    ("transformer.wte.weight", [3, 2], table),
                    ("transformer.h.0.mlp.c_proj.weight", [2, 2], matrix.map { $0 * 3 })
                ], config: config, to: directory.appending(path: "tuned"))
            let extraction = try Extraction(from: Checkpoint(base), to: Checkpoint(tuned), as: .full)
            #expect(extraction.parts.map(\.tensor) == ["h.0.mlp.c_proj.weight"])
            #expect(extraction.ignored == ["h.0.attn.bias: a buffer of one of the models"])
        }
    }

    @Test("weights of eight bits are read with their scales, and left alone by patches")
    func fp8() throws {
        try withTemporaryDirectory { directory in
            let config =
                #"{"model_type": "llama", "quantization_config": {"quant_method": "fp8", "weight_block_size": [1, 2]}}"#
            try Data(config.utf8).write(to: directory.appending(path: "config.json"))
            let scales: [Float] = [2, 1, 0.5, 4]
            // 1, 1.125, -448, the least subnormal; 0.5, 0, 2, 1
            let bytes: [UInt8] = [0x38, 0x39, 0xFE, 0x01, 0x30, 0x00, 0x40, 0x38]
            try SafetensorsWriter.write(
                [
                    SafetensorsSource("a.weight", .float8E4M3, [2, 4], bytes: bytes),
                    SafetensorsSource(
                        "a.weight_scale_inv", .float32, [2, 2], bytes: scales.withUnsafeBytes { Array($0) })
                ], to: directory.appending(path: "model.safetensors"))
            #expect(try values(directory, "a.weight") == [2, 2.25, -448, 0.001953125, 0.25, 0, 8, 4])
            let checkpoint = try Checkpoint(directory)
            #expect(checkpoint.tensors.count == 1 && checkpoint.config.value["quantization_config"] == nil)
            #expect(checkpoint.snapshot == nil)
        }
    }
}
