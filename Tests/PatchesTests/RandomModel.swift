import Foundation
import SutureFormats
import SuturePatches
import SutureTestSupport
import Testing

/// How a small random snapshot is made.
struct RandomModel: Sendable, CustomTestStringConvertible {
    let type: StorageType
    let isSharded: Bool
    let kind: NeuronChange.Slice
    let seed: UInt64

    static let all: [RandomModel] = [StorageType.float32, .bfloat16, .float16].flatMap { type in
        [false, true].flatMap { isSharded in
            NeuronChange.Slice.allCases.enumerated().map { index, kind in
                RandomModel(type: type, isSharded: isSharded, kind: kind, seed: UInt64(index + 1))
            }
        }
    }

    var testDescription: String { "\(type.rawValue), \(isSharded ? "shards" : "one file"), \(kind)" }

    static let layers = 3
    static let shape = [6, 10]
    static func name(_ layer: Int) -> String { "model.layers.\(layer).mlp.down_proj.weight" }

    /// Writes the snapshot, with headers and extra files that no writer of ours would make.
    func write(to url: URL) throws {
        var random = SplitMix64(state: seed)
        let manager = FileManager.default
        try manager.createDirectory(at: url.appending(path: "extra"), withIntermediateDirectories: true)
        try Data(#"{ "model_type" : "random" }"#.utf8).write(to: url.appending(path: "config.json"))
        try Data("kept as it is".utf8).write(to: url.appending(path: "extra/notes.txt"))
        let names = (0..<Self.layers).map(Self.name) + ["norm.weight"]
        let groups = isSharded ? [Array(names[..<2]), Array(names[2...])] : [names]
        var map: JSONObject = [:]
        for (number, group) in groups.enumerated() {
            let file = isSharded ? "model-0000\(number + 1)-of-00002.safetensors" : "model.safetensors"
            for name in group { map[ByteString(name)] = JSON(file) }
            try writeWeights(group, to: url.appending(path: file), &random)
        }
        if isSharded {
            let index: JSON = ["metadata": [:], "weight_map": .object(map)]
            try Data(index.serialized(pretty: true)).write(to: url.appending(path: "model.safetensors.index.json"))
        }
    }

    private func writeWeights(_ names: [String], to url: URL, _ random: inout SplitMix64) throws {
        var header: [String] = []
        var data: [UInt8] = []
        for name in names {
            let shape = name == "norm.weight" ? [7] : Self.shape
            let start = data.count
            data += Self.elements(shape.reduce(1, *), type, &random)
            header.append(
                #""\#(name)" : { "shape" : \#(shape), "dtype":"\#(type.rawValue)", "data_offsets":[\#(start), \#(data.count)] }"#
            )
        }
        let text = "{ \(header.reversed().joined(separator: ", ")), \"__metadata__\": {\"by\": \"another writer\"} }   "
        var bytes = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { [UInt8]($0) }
        bytes += text.utf8
        try Data(bytes + data).write(to: url)
    }

    /// Elements near one, among them zeros of both signs, which an addition of nothing could turn.
    private static func elements(_ count: Int, _ type: StorageType, _ random: inout SplitMix64) -> [UInt8] {
        (0..<count).flatMap { _ -> [UInt8] in
            if Int.random(in: 0..<8, using: &random) == 0 {
                return [UInt8](repeating: 0, count: type.width - 1) + [Bool.random(using: &random) ? 0x80 : 0]
            }
            let value = Float.random(in: -2...2, using: &random)
            switch type {
            case .float32: return withUnsafeBytes(of: value.bitPattern) { [UInt8]($0) }
            case .bfloat16: return withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { [UInt8]($0) }
            default: return withUnsafeBytes(of: Float16(value).bitPattern) { [UInt8]($0) }
            }
        }
    }

    /// A patch of one to three neurons, which others from the same generator overlap.
    func patch(of checkpoint: Checkpoint, _ random: inout SplitMix64, name: String = "random") throws -> Patch {
        let length = kind == .columns ? Self.shape[0] : Self.shape[1]
        let places = (0..<Self.layers).flatMap { layer in (0..<3).map { (layer, $0) } }
            .shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
        let changes = places.map { layer, index in
            NeuronChange(
                tensor: Self.name(layer), kind: kind, index: index,
                delta: (0..<length).map { _ in Float.random(in: -1...1, using: &random) })
        }
        return try Patch.neurons(changes, of: checkpoint, method: Patch.Method(name: name, seed: 7))
    }
}

/// A model with changes but no record of them: as if it had been trained.
func trained(_ changes: [Edit], of base: Checkpoint, in directory: URL) throws -> Checkpoint {
    let url = directory.appending(path: "tuned")
    let patch = try Patch(changes, of: base, method: .init(name: "training"))
    try PatchedCheckpoint(base).adding([AppliedPatch(patch)]).write(to: url)
    for name in ["suture.lock.json", "suture"] { try FileManager.default.removeItem(at: url.appending(path: name)) }
    return try Checkpoint(url)
}

/// All files below a directory, by relative path.
func files(in url: URL) throws -> [String: Data] {
    let manager = FileManager.default
    var result: [String: Data] = [:]
    for path in try manager.subpathsOfDirectory(atPath: url.path) {
        var isDirectory: ObjCBool = false
        let file = url.appending(path: path)
        if manager.fileExists(atPath: file.path, isDirectory: &isDirectory), !isDirectory.boolValue {
            result[path] = try Data(contentsOf: file)
        }
    }
    return result
}

/// The files without those that record the stack.
func weights(in url: URL) throws -> [String: Data] {
    try files(in: url).filter { $0.key != "suture.lock.json" && !$0.key.hasPrefix("suture/") }
}
