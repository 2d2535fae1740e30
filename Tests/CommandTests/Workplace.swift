import Foundation
import SutureFormats
import SutureKit
import SutureTestSupport
import SutureVariants
import Testing

/// A directory with a tiny model, patches of it, and every bad file that ``BadInputTests`` names.
final class Workplace: Sendable {
    let url = FileManager.default.temporaryDirectory.appending(path: "suture-command-\(UUID().uuidString)")

    init() throws {
        try TinySnapshot.write(to: url.appending(path: "model"))
        try TinySnapshot.write(to: url.appending(path: "other"), seed: 2)
        try patches()
        try models()
        try lists()
        try images()
        try oddities()
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
        try? FileManager.default.removeItem(atPath: url.path + "-cache")
    }

    func run(_ line: String, input: String = "") throws -> Command.Outcome {
        try Command.run(line, in: url, input: input)
    }

    /// Runs a command that must be done, and its report.
    @discardableResult
    func done(_ line: String) throws -> [String: Any] {
        let outcome = try run(line + " --format json")
        try #require(outcome.status == 0, "suture \(line): \(outcome.errors)")
        return try outcome.json()
    }

    /// All files below the directory with their sizes and times: what a failed command must leave alone.
    func listing() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted().map { path in
            let facts = try FileManager.default.attributesOfItem(atPath: url.appending(path: path).path)
            return "\(path) \(facts[.size] ?? "") \(facts[.modificationDate] ?? "")"
        }
    }

    func bytes(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: url.appending(path: path))) }

    /// The numbers of a patch, by tensor, without the report, which tells how long it took.
    func numbers(_ path: String) throws -> [String: [UInt8]] {
        let file = try SafetensorsFile(url.appending(path: path))
        return Dictionary(
            uniqueKeysWithValues: file.tensors.map { ($0.name, file.bytes(of: $0).withUnsafeBytes { [UInt8]($0) }) })
    }

    /// The id of the patch that `patched` has.
    var goodID: String {
        get throws { try Patch(contentsOf: url.appending(path: "good.fix")).shortID }
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: url.appending(path: path))
    }

    private func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }
}

// MARK: - Patches

extension Workplace {
    private func patches() throws {
        let checkpoint = try Checkpoint(url.appending(path: "model"))
        func patch(_ scale: Float, index: Int) throws -> Patch {
            try Patch.neurons(
                [
                    NeuronChange(
                        tensor: "model.layers.1.mlp.down_proj.weight", kind: .columns, index: index,
                        delta: (0..<TinySnapshot.width).map { scale * Float($0 + 1) })
                ], of: checkpoint, method: .init(name: "made by hand"))
        }
        try patch(0.01, index: 3).write(to: url.appending(path: "good.fix"))
        try patch(0.01, index: 5).write(to: url.appending(path: "small.fix"))
        try patch(1e37, index: 4).write(to: url.appending(path: "huge.fix"))
        let norm = [Float](repeating: 0.5, count: TinySnapshot.width)
        try Patch(
            [.dense("model.norm.weight", norm, shape: [TinySnapshot.width])], of: checkpoint,
            method: .init(name: "made by hand")
        ).write(to: url.appending(path: "dense.fix"))
        try SafetensorsWriter.write(
            [SafetensorsSource("elsewhere.weight", .float32, [1], bytes: [0, 0, 128, 63])],
            to: url.appending(path: "stray.fix"))
        let adapter = url.appending(path: "half-adapter")
        try FileManager.default.createDirectory(at: adapter, withIntermediateDirectories: true)
        try write(#"{"fine_tune_type": "lora"}"#, to: "half-adapter/adapter_config.json")
        let bytes = try bytes("good.fix")
        try write(Array(bytes.dropLast(7)), to: "cut.fix")
        try write(Array(bytes.dropLast(1)) + [bytes[bytes.count - 1] ^ 1], to: "tampered.fix")
        try write([], to: "empty.fix")
        try write([UInt8](repeating: 0xFF, count: 64), to: "header.fix")
        try SafetensorsWriter.write([], to: url.appending(path: "plain.fix"))
        for (name, manifest) in [
            ("version.fix", #"{"schema": "suture.patch/9"}"#), ("text.fix", "no JSON"), ("bare.fix", "{}")
        ] {
            try SafetensorsWriter.write(
                [], metadata: ["suture": ByteString(manifest)], to: url.appending(path: name))
        }
        let patched = try PatchedCheckpoint(checkpoint).adding([
            AppliedPatch(Patch(contentsOf: url.appending(path: "good.fix")))
        ])
        try patched.write(to: url.appending(path: "patched"))
    }
}

// MARK: - Models

extension Workplace {
    /// A copy of a model with something done to it.
    private func model(_ name: String, of original: String = "model", _ change: () throws -> Void) throws {
        try FileManager.default.copyItem(at: url.appending(path: original), to: url.appending(path: name))
        try change()
    }

    private func models() throws {
        for (name, key, value) in [
            ("family", "model_type", "bert"), ("no-width", "hidden_size", nil), ("text-width", "hidden_size", "wide"),
            ("minus-layers", "num_hidden_layers", -1), ("all-layers", "num_hidden_layers", 1_000_000_000),
            ("no-heads", "num_attention_heads", 0), ("odd-heads", "num_key_value_heads", 3),
            ("wide", "hidden_size", 64), ("deep", "num_hidden_layers", 3), ("activation", "hidden_act", "swish9"),
            ("short", "max_position_embeddings", 8), ("rope", "rope_theta", 0)
        ] as [(String, String, Any?)] {
            try model(name) {
                var config = TinySnapshot.config
                config[key] = value
                try TinySnapshot.write(config, to: url.appending(path: "\(name)/config.json"))
            }
        }
        try model("experts") {
            var config = TinySnapshot.config
            (config["model_type"], config["num_local_experts"]) = ("mixtral", 8)
            try TinySnapshot.write(config, to: url.appending(path: "experts/config.json"))
        }
        try model("vast") { try TinySnapshot.writeVast(to: url.appending(path: "vast")) }
        try model("no-config") { try remove("no-config/config.json") }
        try model("bad-config") { try write(#"{"model_type": "#, to: "bad-config/config.json") }
        try model("config-list") { try write("[]", to: "config-list/config.json") }
        try weights()
        try tokenizers()
        try locks()
        try write("not a model", to: "text.gguf")
        try write("not a graph", to: "text.onnx")
        try write([], to: "empty.onnx")
        for (name, golden) in [("net", "cnn-script"), ("other", "hostile/other-operator")] {
            try FileManager.default.copyItem(
                at: Goldens.url("onnx/\(golden).onnx"), to: url.appending(path: "\(name).onnx"))
        }
        try write(Array("PK".utf8) + [3, 4] + [UInt8](repeating: 0, count: 60), to: "net.pth")
        try ggufs()
        for name in ["magic", "cut-in-data", "version-99", "shape-overflow"] {
            try FileManager.default.copyItem(
                at: Goldens.url("hostile/gguf/\(name).gguf"), to: url.appending(path: "\(name).gguf"))
        }
    }

    private func ggufs() throws {
        func gguf(_ name: String, _ change: (inout GGUFDraft) -> Void) throws {
            var draft = try GGUFDraft.seed("llama")
            change(&draft)
            try write(draft.serialized(), to: name)
        }
        try gguf("rope.gguf") { draft in
            draft.metadata.removeAll { $0.key == "llama.rope.freq_base" }
            draft.metadata.append(("llama.rope.freq_base", .float(.nan)))
        }
        try gguf("vector.gguf") { draft in
            for at in draft.tensors.indices where draft.tensors[at].name == "blk.0.attn_q.weight" {
                draft.tensors[at].sizes = [1024]
            }
        }
        try gguf("heads.gguf") { draft in
            draft.metadata.removeAll { $0.key == "llama.attention.head_count" }
            draft.metadata.append(
                ("llama.attention.head_count", .value(type: 10, GGUFDraft.bytes(UInt64(1) << 62))))
        }
        try gguf("twice.gguf") { draft in
            let query = draft.tensors.filter { $0.name == "blk.0.attn_q.weight" }
            for name in ["blk..attn_q.weight", "blk.attn_q.weight"] {
                for var tensor in query {
                    tensor.name = name
                    draft.tensors.append(tensor)
                }
            }
        }
        try gguf("window.gguf") { $0.metadata.append(("llama.attention.sliding_window", .size(8))) }
    }

    private func weights() throws {
        let good = try bytes("model/model.safetensors")
        let tensors = TinySnapshot.tensors(seed: 1)
        func damaged(_ name: String, _ change: (URL) throws -> Void) throws {
            try model(name) {
                try remove("\(name)/model.safetensors")
                try change(url.appending(path: "\(name)/model.safetensors"))
            }
        }
        try damaged("cut") { try Data(good.dropLast(100)).write(to: $0) }
        try damaged("header") { try Data([UInt8](repeating: 0x7F, count: 64)).write(to: $0) }
        try damaged("no-weights") { _ in }
        try damaged("pickle") {
            try Data().write(to: $0.deletingLastPathComponent().appending(path: "pytorch_model.bin"))
        }
        try damaged("directory") { try FileManager.default.createDirectory(at: $0, withIntermediateDirectories: true) }
        try damaged("missing") { try SafetensorsWriter.write(tensors.filter { !$0.name.contains("v_proj") }, to: $0) }
        try damaged("nan") {
            try SafetensorsWriter.write(tensors.map { $0.name.contains("1.mlp.up") ? nan($0) : $0 }, to: $0)
        }
        try damaged("integers") {
            try SafetensorsWriter.write(
                tensors.map { tensor in
                    tensor.name.contains("q_proj")
                        ? SafetensorsSource(tensor.name, .int32, tensor.shape, data: tensor.data) : tensor
                }, to: $0)
        }
        for (name, shard) in [("traversal", "../model/model.safetensors"), ("no-shard", "model-2.safetensors")] {
            try damaged(name) { _ in
                try write(
                    #"{"weight_map": {"lm_head.weight": "\#(shard)"}}"#, to: "\(name)/model.safetensors.index.json")
            }
        }
    }

    private func nan(_ tensor: SafetensorsSource) -> SafetensorsSource {
        let values = [Float](repeating: .nan, count: tensor.shape.reduce(1, *))
        return SafetensorsSource(tensor.name, .float32, tensor.shape, bytes: values.withUnsafeBytes { [UInt8]($0) })
    }

    private func tokenizers() throws {
        try model("no-tokenizer") { try remove("no-tokenizer/tokenizer.json") }
        try model("old-tokenizer") {
            try remove("old-tokenizer/tokenizer.json")
            try write("{}", to: "old-tokenizer/vocab.json")
            try write("", to: "old-tokenizer/merges.txt")
        }
        try model("bad-tokenizer") { try write("{\"model\": {\"vocab\"", to: "bad-tokenizer/tokenizer.json") }
        try model("bare-tokenizer") { try write("{}", to: "bare-tokenizer/tokenizer.json") }
        try model("unigram") {
            try write(#"{"model": {"type": "Unigram", "vocab": []}}"#, to: "unigram/tokenizer.json")
        }
        try model("large-tokenizer") {
            var tokenizer = TinySnapshot.tokenizer
            tokenizer["model"] = ["type": "BPE", "vocab": ["a": 256, "b": 1], "merges": [String]()] as [String: Any]
            try TinySnapshot.write(tokenizer, to: url.appending(path: "large-tokenizer/tokenizer.json"))
        }
        try model("silent-tokenizer") {
            var tokenizer = TinySnapshot.tokenizer
            tokenizer["model"] = ["type": "BPE", "vocab": ["b": 1], "merges": [String]()] as [String: Any]
            try TinySnapshot.write(tokenizer, to: url.appending(path: "silent-tokenizer/tokenizer.json"))
        }
    }

    private func locks() throws {
        try model("drifted", of: "patched") {
            try FileManager.default.removeItem(at: url.appending(path: "drifted/model.safetensors"))
            try FileManager.default.copyItem(
                at: url.appending(path: "model/model.safetensors"), to: url.appending(path: "drifted/model.safetensors")
            )
        }
        try model("bad-lock", of: "patched") { try write("{}", to: "bad-lock/suture.lock.json") }
        try model("lost-patch", of: "patched") { try remove("lost-patch/suture") }
    }

    private func remove(_ path: String) throws { try FileManager.default.removeItem(at: url.appending(path: path)) }
}

// MARK: - What is no regular file, and a folder with more than a model

extension Workplace {
    private func oddities() throws {
        for (link, target) in [("loop", "loop"), ("device.html", "/dev/null")] {
            try FileManager.default.createSymbolicLink(
                atPath: url.appending(path: link).path, withDestinationPath: target)
        }
        try FileManager.default.copyItem(at: url.appending(path: "other"), to: url.appending(path: "mixed"))
        try FileManager.default.copyItem(at: url.appending(path: "good.fix"), to: url.appending(path: "mixed/my.fix"))
        try socket("socket")
    }

    /// A socket file; the name must be short.
    private func socket(_ name: String) throws {
        let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(url.appending(path: name).path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.prefix($0.count - 1)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw POSIXError(.EIO) }
    }
}

// MARK: - Lists of failures and texts

extension Workplace {
    private func lists() throws {
        let bad: [UInt8] = [0x61, 0xC3, 0x28, 0x09, 0x62, 0x0A]
        try write(bad, to: "utf8.tsv")
        try write(Array(#"{"prompt": ""#.utf8) + bad[..<3] + Array(#"", "expected": "b"}"#.utf8), to: "utf8.jsonl")
        try write(bad, to: "utf8.txt")
        try write("", to: "empty.jsonl")
        try write("\n\n", to: "empty.txt")
        try write("prompt, expected\n", to: "syntax.jsonl")
        let asked = [("a", "a"), ("b", "b"), ("c", "d")].map { prompt, subject in
            "{\"prompt\": \"\(prompt)\", \"expected\": \"x\", \"subject\": \"\(subject)\"}\n"
        }
        try write(asked.joined(), to: "subject.jsonl")
        try write("{\"prompt\": \"a\", \"expected\": \"b\"}\n{\"prompt\": \"a\"}\n", to: "key.jsonl")
        try write("{\"prompt\": 3, \"expected\": \"b\"}\n", to: "type.jsonl")
        try write("{\"prompt\": \"a\", \"expected\": \"\"}\n", to: "answer.jsonl")
        try write("{\"positive\": \"ab\", \"negative\": \"cd\"}\n", to: "moods.jsonl")
        try write("one\ttwo\tthree\n", to: "columns.tsv")
        try write("intent\tcode\none\ttwo\n", to: "tasks.tsv")
        try write("hello world\nls -la\n", to: "texts.txt")
        try FileManager.default.createDirectory(at: url.appending(path: "lists"), withIntermediateDirectories: true)
    }
}

// MARK: - Images

extension Workplace {
    /// Small sets of grey images of 8 x 8, bright above or below the middle, and classifiers of them.
    private func images() throws {
        try set("images", count: 48, classes: 2)
        try set("three", count: 12, classes: 3)
        try set("cut-images", count: 48, classes: 2)
        try write(
            Array(try bytes("images/train-images-idx3-ubyte").dropLast(9)), to: "cut-images/train-images-idx3-ubyte")
        try set("no-images", count: 48, classes: 2)
        try write(Array("no images at all".utf8), to: "no-images/train-images-idx3-ubyte")
        try set("few-labels", count: 48, classes: 2)
        try write(try bytes("three/train-labels-idx1-ubyte"), to: "few-labels/train-labels-idx1-ubyte")
        let folder = url.appending(path: "cut-pictures/cat")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let picture = Picture(pixels: (0..<64).map { UInt8($0) }, channels: 1, height: 8, width: 8)
        try write(Array(try picture.png().dropLast(20)), to: "cut-pictures/cat/1.png")
        let network = ClassifierArchitecture(
            .vgg(VGG(stages: [[4], [8]], hasBatchNorm: true, pool: 1, hidden: [])), channels: 1, classes: ["0", "1"])
        let classifier = try ImageClassifier.initial(network, seed: 1)
        try classifier.write(to: url.appending(path: "classifier"))
        try classifier.write(to: url.appending(path: "no-classes"))
        try write(#"{"model_type": "vgg", "stages": [[4], [8]]}"#, to: "no-classes/config.json")
        try classifier.write(to: url.appending(path: "odd-depth"))
        try write(#"{"model_type": "cifar_resnet", "depth": 21, "width": 4}"#, to: "odd-depth/config.json")
        try classifier.write(to: url.appending(path: "wide-classifier"))
        var wide = network
        wide.network = .vgg(VGG(stages: [[4], [9]], hasBatchNorm: true, pool: 1, hidden: []))
        try write(wide.config.serialized(), to: "wide-classifier/config.json")
        try classifier.write(to: url.appending(path: "bad-training"))
        try write("{}", to: "bad-training/training.json")
    }

    private func set(_ name: String, count: Int, classes: Int) throws {
        try FileManager.default.createDirectory(at: url.appending(path: name), withIntermediateDirectories: true)
        var random = SeededGenerator(seed: 1)
        for part in ["train", "t10k"] {
            let labels = (0..<count).map { UInt8($0 % classes) }
            let pixels = labels.flatMap { label in
                (0..<64).map { UInt8(random.below(100) + ($0 / 8 * classes / 8 == Int(label) ? 100 : 0)) }
            }
            try write(
                [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, 8, 0, 0, 0, 8] + pixels,
                to: "\(name)/\(part)-images-idx3-ubyte")
            try write([0, 0, 8, 1, 0, 0, 0, UInt8(count)] + labels, to: "\(name)/\(part)-labels-idx1-ubyte")
        }
    }
}
