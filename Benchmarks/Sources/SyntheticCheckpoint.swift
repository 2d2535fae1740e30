import Foundation
import SutureFormats

/// A checkpoint of random bfloat16 weights with the layout of a Llama, as large as is wanted, in shards of 1 GB.
struct SyntheticCheckpoint {
    private static let (width, hidden, vocabulary) = (4096, 14336, 8192)
    let layers: Int

    /// As near to `gigabytes` as whole layers come.
    init(gigabytes: Double) {
        let ends = 4 * Self.width * Self.vocabulary
        let layer = Self.layer.reduce(0) { $0 + 2 * $1.shape.reduce(1, *) }
        layers = max(1, Int(((gigabytes * 1e9 - Double(ends)) / Double(layer)).rounded()))
    }

    private static let layer: [(name: String, shape: [Int])] = [
        ("input_layernorm", [width]), ("self_attn.q_proj", [width, width]), ("self_attn.k_proj", [1024, width]),
        ("self_attn.v_proj", [1024, width]), ("self_attn.o_proj", [width, width]),
        ("post_attention_layernorm", [width]),
        ("mlp.gate_proj", [hidden, width]), ("mlp.up_proj", [hidden, width]), ("mlp.down_proj", [width, hidden])
    ]

    private var tensors: [(name: String, shape: [Int])] {
        [("model.embed_tokens.weight", [Self.vocabulary, Self.width])]
            + (0..<layers).flatMap { number in
                Self.layer.map { ("model.layers.\(number).\($0.name).weight", $0.shape) }
            } + [("model.norm.weight", [Self.width]), ("lm_head.weight", [Self.vocabulary, Self.width])]
    }

    private var config: JSON {
        [
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": JSON(Self.width),
            "intermediate_size": JSON(Self.hidden), "num_hidden_layers": JSON(layers), "num_attention_heads": 32,
            "num_key_value_heads": 8, "vocab_size": JSON(Self.vocabulary), "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "tie_word_embeddings": false, "torch_dtype": "bfloat16", "max_position_embeddings": 2048,
            "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2
        ]
    }

    func write(to url: URL, seed: UInt64) throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        var shards: [[(name: String, shape: [Int])]] = [[]]
        var used = 0
        for tensor in tensors {
            let size = 2 * tensor.shape.reduce(1, *)
            if used > 0, used + size > 1_000_000_000 {
                shards.append([])
                used = 0
            }
            shards[shards.count - 1].append(tensor)
            used += size
        }
        var state = seed
        var map = JSONObject()
        for (number, shard) in shards.enumerated() {
            let name = String(format: "model-%05d-of-%05d.safetensors", number + 1, shards.count)
            let sources = shard.map { tensor in
                SafetensorsSource(tensor.name, .bfloat16, tensor.shape) { append in
                    var left = tensor.shape.reduce(1, *)
                    while left > 0 {
                        let count = min(left, 1 << 20)
                        try Self.weights(count, &state).withUnsafeBytes(append)
                        left -= count
                    }
                }
            }
            try SafetensorsWriter.write(sources, to: url.appending(path: name))
            for tensor in shard { map[ByteString(tensor.name)] = JSON(name) }
        }
        let index: JSON = ["metadata": [:], "weight_map": .object(map)]
        try AtomicFile.write(index.serialized(), to: url.appending(path: "model.safetensors.index.json"))
        try AtomicFile.write(config.serialized(pretty: true), to: url.appending(path: "config.json"))
    }

    /// Numbers of either sign between 2^-9 and 2^-5.
    private static func weights(_ count: Int, _ state: inout UInt64) -> [UInt16] {
        var random = state
        defer { state = random }
        return (0..<count).map { _ in
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let bits = UInt16(truncatingIfNeeded: random >> 40)
            return bits & 0x807F | (118 + (bits >> 8 & 3)) << 7
        }
    }
}
