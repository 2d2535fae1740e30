import Foundation
import SutureFormats

/// A random Llama of two layers that reads bytes: small enough to be run by a command in a moment.
public enum TinySnapshot {
    public static let width = 32
    public static let hidden = 192
    public static let layers = 2
    public static let vocabulary = 256

    public static var config: [String: Any] {
        [
            "model_type": "llama", "hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
            "max_position_embeddings": 1024, "tie_word_embeddings": false, "hidden_act": "silu"
        ]
    }

    /// A byte-level vocabulary without merges.
    public static var tokenizer: [String: Any] {
        var next: UInt32 = 0x100
        var vocabulary: [String: Int] = [:]
        for byte in 0..<UInt32(Self.vocabulary) {
            let isVisible = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            vocabulary[String(UnicodeScalar(isVisible ? byte : next).map(Character.init) ?? "?")] = Int(byte)
            if !isVisible { next += 1 }
        }
        return [
            "model": ["type": "BPE", "vocab": vocabulary, "merges": [String]()] as [String: Any],
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
            "decoder": ["type": "ByteLevel"]
        ]
    }

    public static func write(to directory: URL, seed: UInt64 = 1) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try write(config, to: directory.appending(path: "config.json"))
        try write(tokenizer, to: directory.appending(path: "tokenizer.json"))
        try SafetensorsWriter.write(tensors(seed: seed), to: directory.appending(path: "model.safetensors"))
    }

    /// Gives a token of a written model the output row of another one.
    public static func makeTwins(_ token: Int, like other: Int, in directory: URL) throws {
        let url = directory.appending(path: "model.safetensors")
        var bytes = [UInt8](try Data(contentsOf: url))
        guard let head = try SafetensorsFile(url)["lm_head.weight"] else { throw CocoaError(.fileReadCorruptFile) }
        let row = 4 * width
        let start = head.range.lowerBound
        let copy = bytes[start + other * row..<start + (other + 1) * row]
        bytes.replaceSubrange(start + token * row..<start + (token + 1) * row, with: copy)
        try Data(bytes).write(to: url)
    }

    /// A model of 9 TB in float64, whose zeros take no room on the disk.
    public static func writeVast(to directory: URL) throws {
        let vast = [vocabulary: 1 << 23, width: 1 << 16, width / 2: 1 << 15]
        var config = config
        (config["vocab_size"], config["hidden_size"]) = (vast[vocabulary], vast[width])
        try write(config, to: directory.appending(path: "config.json"))
        var end = 0
        let entries = tensors(seed: 1).map { tensor in
            let shape = tensor.shape.map { vast[$0] ?? $0 }
            let start = end
            end += 8 * shape.reduce(1, *)
            return #""\#(tensor.name)":{"dtype":"F64","shape":\#(shape),"data_offsets":[\#(start),\#(end)]}"#
        }
        var header = Array("{\(entries.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        let file = directory.appending(path: "model.safetensors")
        try Data((0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) } + header).write(to: file)
        let handle = try FileHandle(forWritingTo: file)
        try handle.truncate(atOffset: UInt64(8 + header.count + end))
        try handle.close()
    }

    public static func write(_ json: [String: Any], to url: URL) throws {
        try JSONSerialization.data(withJSONObject: json, options: .sortedKeys).write(to: url)
    }

    public static func tensors(seed: UInt64) -> [SafetensorsSource] {
        var random = SplitMix64(state: seed)
        func tensor(_ name: String, _ shape: [Int], _ scale: Float) -> SafetensorsSource {
            let values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -scale...scale, using: &random) }
            return SafetensorsSource(name, .float32, shape, bytes: values.withUnsafeBytes { [UInt8]($0) })
        }
        func ones(_ name: String) -> SafetensorsSource {
            let values = [Float](repeating: 1, count: width)
            return SafetensorsSource(name, .float32, [width], bytes: values.withUnsafeBytes { [UInt8]($0) })
        }
        // The head reads the embedding of the token at hand more than what the layers add: answers are firm.
        var result = [
            tensor("model.embed_tokens.weight", [vocabulary, width], 1),
            tensor("lm_head.weight", [vocabulary, width], 1),
            ones("model.norm.weight")
        ]
        for layer in 0..<layers {
            let prefix = "model.layers.\(layer)."
            result += [
                tensor(prefix + "self_attn.q_proj.weight", [width, width], 0.3),
                tensor(prefix + "self_attn.k_proj.weight", [width / 2, width], 0.3),
                tensor(prefix + "self_attn.v_proj.weight", [width / 2, width], 0.3),
                tensor(prefix + "self_attn.o_proj.weight", [width, width], 0.1),
                tensor(prefix + "mlp.gate_proj.weight", [hidden, width], 0.6),
                tensor(prefix + "mlp.up_proj.weight", [hidden, width], 0.6),
                tensor(prefix + "mlp.down_proj.weight", [width, hidden], 0.02),
                ones(prefix + "input_layernorm.weight"), ones(prefix + "post_attention_layernorm.weight")
            ]
        }
        return result
    }
}
