import Foundation
import SutureFormats
import SutureTestSupport

/// A snapshot directory in the making, in which anything may be wrong.
struct SnapshotDraft: Sendable {
    struct Tensor: Sendable {
        var name: String
        var type: String
        var shape: [Int]
        var bytes: [UInt8]
    }

    var config: JSON
    /// The weight files, each with its tensors; an index beside them if there are several.
    var files: [(name: String, tensors: [Tensor])]
    var index: JSON?
    var tokenizer: JSON?

    /// Golden models: one for each family, and some of their variants.
    static let names = [
        "llama", "llama-tied", "llama-bias", "llama-sharded", "mistral", "qwen2", "gpt2", "gpt2-unusual", "gptj",
        "codegen", "gpt-neox", "gpt-neox-sequential", "qwen3", "starcoder2", "gpt-bigcode", "gpt-bigcode-heads", "phi",
        "phi3", "gemma"
    ]

    static func seed(_ name: String) throws -> SnapshotDraft {
        let directory = try SnapshotDirectory(Goldens.url("models/\(name)"))
        let files = directory.files.map { file in
            let tensors = file.tensors.map { tensor in
                let bytes = file.bytes(of: tensor).withUnsafeBytes { [UInt8]($0) }
                return Tensor(name: tensor.name, type: tensor.type.rawValue, shape: tensor.shape, bytes: bytes)
            }
            return (name: URL(filePath: file.file.name).lastPathComponent, tensors: tensors)
        }
        let index = directory.indexFile.map { directory.url.appending(path: $0) }
        return SnapshotDraft(
            config: directory.config.value, files: files.filter { !$0.name.hasPrefix("golden") },
            index: try index.map { try JSON.parse(contentsOf: $0) }, tokenizer: nil)
    }

    func write(to directory: URL) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        func write(_ bytes: [UInt8], _ name: String) throws {
            try Data(bytes).write(to: directory.appending(path: name))
        }
        try write(config.serialized(), "config.json")
        for (name, tensors) in files { try write(Self.safetensors(tensors), name) }
        if let index { try write(index.serialized(), "model.safetensors.index.json") }
        if let tokenizer { try write(tokenizer.serialized(), "tokenizer.json") }
    }

    private static func safetensors(_ tensors: [Tensor]) -> [UInt8] {
        var entries: [String] = []
        var data: [UInt8] = []
        for tensor in tensors {
            let name = String(decoding: JSON(tensor.name).serialized(), as: UTF8.self)
            let type = String(decoding: JSON(tensor.type).serialized(), as: UTF8.self)
            let end = data.count + tensor.bytes.count
            entries.append(
                "\(name):{\"dtype\":\(type),\"shape\":\(tensor.shape),\"data_offsets\":[\(data.count),\(end)]}")
            data += tensor.bytes
        }
        var header = Array("{\(entries.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
        return GGUFDraft.bytes(UInt64(header.count)) + header + data
    }
}

extension SnapshotDraft {
    /// Puts one thing wrong, and says what.
    mutating func mutate(_ random: inout some RandomNumberGenerator) -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: return "config.json: " + mutateConfig(&random)
        case 5, 6:
            if var index {
                defer { self.index = index }
                return "index: " + index.mutate(&random)
            }
            return share(&random)
        default: return mutateTensor(&random)
        }
    }

    private static let otherSettings: [(String, JSON)] = [
        ("attention_multiplier", 2.0), ("logits_scaling", 8), ("final_logit_softcapping", 30.0), ("num_experts", 4),
        ("sliding_window", 3), ("rope_scaling", ["rope_type": "yarn", "factor": 4.0]), ("partial_rotary_factor", 0.5),
        ("layer_types", ["sliding_attention"]), ("qk_layernorm", true), ("attention_bias", true), ("rope_theta", 0.0),
        ("rope_theta", -1.0), ("rope_scaling", ["type": "linear", "factor": 0.0]), ("head_dim", 6), ("rotary_dim", 6),
        ("rope_parameters", ["rope_type": "linear", "factor": -2.0, "rope_theta": 1e4]), ("note", ["a": [1, 2]]),
        ("quantization_config", ["bits": 4])
    ]

    private mutating func mutateConfig(_ random: inout some RandomNumberGenerator) -> String {
        guard Int.random(in: 0..<4, using: &random) == 0, case .object(var members) = config,
            let (key, value) = Self.otherSettings.randomElement(using: &random)
        else { return config.mutate(&random) }
        members[ByteString(key)] = value
        config = .object(members)
        return "\(key) set to \(String(decoding: value.serialized(), as: UTF8.self))"
    }

    /// Shares the weights out into two files, with an index that may be wrong.
    private mutating func share(_ random: inout some RandomNumberGenerator) -> String {
        let tensors = files.flatMap(\.tensors)
        let half = Int.random(in: 0...tensors.count, using: &random)
        let names = ["model-1.safetensors", "model-2.safetensors"]
        files = [(names[0], Array(tensors[..<half])), (names[1], Array(tensors[half...]))]
        var map = JSONObject()
        for (name, tensors) in files { for tensor in tensors { map[ByteString(tensor.name)] = JSON(name) } }
        index = ["weight_map": .object(map)]
        if Bool.random(using: &random) { return "two files with an index" }
        return "two files with an index; index: " + (index?.mutate(&random) ?? "")
    }

    private mutating func mutateTensor(_ random: inout some RandomNumberGenerator) -> String {
        let file = Int.random(in: 0..<files.count, using: &random)
        guard !files[file].tensors.isEmpty else { return "nothing" }
        let at = Int.random(in: 0..<files[file].tensors.count, using: &random)
        var tensor = files[file].tensors[at]
        defer { if at < files[file].tensors.count { files[file].tensors[at] = tensor } }
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            files[file].tensors.append(tensor)
            return "\(tensor.name) twice"
        case 1:
            let old = tensor.name
            tensor.name =
                [old + "\u{301}", "", "__metadata__", old.uppercased(), "x." + old, old + ".weight"]
                .randomElement(using: &random) ?? ""
            return "\(old) is called \(tensor.name)"
        case 2:
            let types = ["F64", "F32", "F16", "BF16", "I32", "F8_E4M3", "BOOL", "U8", "F128"]
            tensor.type = types.randomElement(using: &random) ?? ""
            return "\(tensor.name) as \(tensor.type)"
        case 3:
            let odd: [[Int]] = [
                [], [0], [-1], [1 << 62, 4], [1 << 31, 1 << 31], [tensor.shape.reduce(1, *)], tensor.shape.reversed(),
                tensor.shape + [1], [1] + tensor.shape
            ]
            tensor.shape = odd.randomElement(using: &random) ?? []
            return "\(tensor.name) of shape \(tensor.shape)"
        case 4:
            let width = tensor.bytes.count / max(1, tensor.shape.reduce(1, *))
            tensor.shape = tensor.shape.map { max(1, $0 / 2) }
            tensor.bytes = Array(tensor.bytes.prefix(tensor.shape.reduce(1, *) * width))
            return "\(tensor.name) half as large: \(tensor.shape)"
        case 5:
            let value = [Float.nan, .infinity, 0, 1e38].randomElement(using: &random) ?? 0
            let bytes = GGUFDraft.bytes(value.bitPattern)
            tensor.bytes = (0..<tensor.bytes.count).map { bytes[$0 % 4] }
            return "\(tensor.name) all \(value)"
        case 6:
            let bytes = tensor.bytes
            tensor.bytes = Array(bytes.dropLast(Int.random(in: 1...8, using: &random)))
            return "\(tensor.name) cut"
        default:
            let other = Int.random(in: 0..<files[file].tensors.count, using: &random)
            let name = files[file].tensors[other].name
            files[file].tensors[other].name = tensor.name
            if other != at { tensor.name = name }
            return "\(name) and \(tensor.name) in each other's place"
        }
    }
}
