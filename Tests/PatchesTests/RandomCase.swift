import Foundation
import SutureFormats
import SutureTestSupport

@testable import SuturePatches

/// A random checkpoint and a random stack of patches, with all that a second way of computing needs.
struct RandomCase {
    struct Tensor {
        let name: String
        let type: StorageType
        let shape: [Int]
        var count: Int { shape.reduce(1, *) }
    }

    /// A change in plain numbers: what is added to each element at scale 1, by the formula of the specification.
    struct Change {
        let change: Edit
        let scale: Double
        let reference: [Double]
    }

    struct Layer {
        let applied: AppliedPatch
        let changes: [Change]
    }

    private(set) var random: SplitMix64
    let tensors: [Tensor]
    let base: URL

    /// Writes a snapshot of one to five tensors of any types and shapes in one to three shards.
    init(seed: UInt64, in directory: URL) throws {
        var random = SplitMix64(state: seed)
        let types: [StorageType] = [.float32, .bfloat16, .float16]
        tensors = (0..<Int.random(in: 1...5, using: &random)).map { number in
            // Mostly matrices, which have the most kinds.
            let rank = [2, 2, 2, 0, 1, 3, 4].randomElement(using: &random) ?? 2
            return Tensor(
                name: "layer.\(number).weight", type: types.randomElement(using: &random) ?? .float32,
                shape: (0..<rank).map { _ in Int.random(in: 1...7, using: &random) })
        }
        base = directory.appending(path: "base")
        self.random = random
        try write()
    }

    private mutating func write() throws {
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        try Data(#"{"model_type":"random"}"#.utf8).write(to: base.appending(path: "config.json"))
        let shards = Int.random(in: 1...3, using: &random)
        var groups = [[SafetensorsSource]](repeating: [], count: shards)
        var map = JSONObject()
        for tensor in tensors {
            let shard = Int.random(in: 0..<shards, using: &random)
            var bytes: [UInt8] = []
            for _ in 0..<tensor.count { bytes += element(tensor.type) }
            groups[shard].append(SafetensorsSource(tensor.name, tensor.type, tensor.shape, bytes: bytes))
            map[ByteString(tensor.name)] = JSON(Self.file(shard, of: shards))
        }
        groups[0].append(SafetensorsSource("steps", .int64, [2], bytes: [UInt8](repeating: 7, count: 16)))
        map["steps"] = JSON(Self.file(0, of: shards))
        for (shard, group) in groups.enumerated() where !group.isEmpty {
            try SafetensorsWriter.write(group, to: base.appending(path: Self.file(shard, of: shards)))
        }
        if shards > 1 {
            let index: JSON = ["metadata": [:], "weight_map": .object(map)]
            try Data(index.serialized()).write(to: base.appending(path: "model.safetensors.index.json"))
        }
    }

    private static func file(_ shard: Int, of shards: Int) -> String {
        shards == 1 ? "model.safetensors" : "model-0000\(shard + 1)-of-0000\(shards).safetensors"
    }

    /// An element near one, or a zero of either sign, which an addition of nothing could turn; sometimes the smallest
    /// number there is, or an infinite one.
    private mutating func element(_ type: StorageType) -> [UInt8] {
        if Int.random(in: 0..<24, using: &random) == 0 {
            let tiny = Bool.random(using: &random)
            let infinity: [UInt8] = type == .float16 ? [0, 0x7C] : [0x80, 0x7F]
            return tiny
                ? [1] + [UInt8](repeating: 0, count: type.width - 1)
                : [UInt8](repeating: 0, count: type.width - 2) + infinity
        }
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

    /// One to eight patches of all kinds, with scales.
    mutating func stack() throws -> [Layer] {
        let checkpoint = try Checkpoint(base)
        var layers: [Layer] = []
        let wanted = Int.random(in: 1...8, using: &random)
        while layers.count < wanted {
            let changes = (0..<Int.random(in: 1...3, using: &random)).map { _ in change() }
            // A change may be lost in rounding; then there is no such patch.
            guard
                let patch = try? Patch(
                    changes.map(\.change), of: checkpoint, method: .init(name: "random", seed: layers.count)),
                !layers.contains(where: { $0.applied.patch.id == patch.id })
            else { continue }
            let scales: [Double] = [1, 1, 0.3, -2, 0.25, 0]
            let scale = scales.randomElement(using: &random) ?? 1
            layers.append(Layer(applied: AppliedPatch(patch, scale: scale), changes: changes))
        }
        return layers
    }

    private mutating func change() -> Change {
        let tensor = tensors.randomElement(using: &random) ?? tensors[0]
        let kinds: [Edit.Kind] = tensor.shape.count == 2 ? Edit.Kind.allCases : [.sparse, .dense, .quantized]
        switch kinds.randomElement(using: &random) ?? .dense {
        case .columns: return slices(tensor, isColumns: true)
        case .rows: return slices(tensor, isColumns: false)
        case .lowRank: return lowRank(tensor)
        case .sparse: return sparse(tensor)
        case .dense: return dense(tensor)
        case .quantized: return quantized(tensor)
        }
    }

    private mutating func number() -> Float {
        Float.random(in: 0.5...1, using: &random) * (Bool.random(using: &random) ? 1 : -1)
    }

    private mutating func numbers(_ count: Int) -> [Float] {
        (0..<count).map { index in index > 0 && Int.random(in: 0..<4, using: &random) == 0 ? 0 : number() }
    }

    private mutating func subset(of count: Int) -> [Int] {
        Array(0..<count).shuffled(using: &random).prefix(Int.random(in: 1...min(count, 3), using: &random)).sorted()
    }

    private mutating func slices(_ tensor: Tensor, isColumns: Bool) -> Change {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let indices = subset(of: isColumns ? columns : rows)
        let length = isColumns ? rows : columns
        let values = numbers(indices.count * length)
        var reference = [Double](repeating: 0, count: tensor.count)
        for (number, index) in indices.enumerated() {
            for position in 0..<length {
                let element = isColumns ? position * columns + index : index * columns + position
                reference[element] = Double(values[number * length + position])
            }
        }
        let change: Edit =
            isColumns
            ? .columns(indices, of: tensor.name, adding: values) : .rows(indices, of: tensor.name, adding: values)
        return Change(change: change, scale: 1, reference: reference)
    }

    private mutating func lowRank(_ tensor: Tensor) -> Change {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let rank = Int.random(in: 1...3, using: &random)
        let (a, b) = (numbers(rank * columns), numbers(rows * rank))
        var reference = [Double](repeating: 0, count: tensor.count)
        for row in 0..<rows {
            for column in 0..<columns {
                for k in 0..<rank {
                    reference[row * columns + column] += Double(b[row * rank + k]) * Double(a[k * columns + column])
                }
            }
        }
        let scales: [Double] = [1, 0.5, 16.0 / 3]
        let scale = scales.randomElement(using: &random) ?? 1
        return Change(
            change: .lowRank(tensor.name, a: a, b: b, rank: rank, scale: scale), scale: scale, reference: reference)
    }

    private mutating func sparse(_ tensor: Tensor) -> Change {
        let entries = subset(of: tensor.count).map { (index: $0, value: number()) }
        var reference = [Double](repeating: 0, count: tensor.count)
        for entry in entries { reference[entry.index] = Double(entry.value) }
        return Change(
            change: .sparse(tensor.name, entries, elementCount: tensor.count), scale: 1, reference: reference)
    }

    private mutating func dense(_ tensor: Tensor) -> Change {
        let values = numbers(tensor.count)
        return Change(
            change: .dense(tensor.name, values, shape: tensor.shape), scale: 1, reference: values.map(Double.init))
    }

    private mutating func quantized(_ tensor: Tensor) -> Change {
        let isLog = Bool.random(using: &random)
        let bits = Int.random(in: isLog ? 2...16 : 1...16, using: &random)
        let channels = Bool.random(using: &random) ? tensor.shape.first ?? 1 : 1
        let hasZeros = !isLog && Bool.random(using: &random)
        var codes = (0..<tensor.count).map { _ in Int.random(in: 0..<1 << bits, using: &random) }
        // The least levels are lost in rounding; one that is not, so that the change is none.
        if isLog { codes[0] = 1 << (bits - 1) - 1 }
        let scales = (0..<channels).map { _ in
            Float.random(in: 0.5...1, using: &random) / (isLog ? 1 : Float(1 << bits)) * 2
        }
        let zeros = (0..<channels).map { _ in Float.random(in: 0...Float(1 << bits), using: &random) }
        var packed = [UInt8](repeating: 0, count: (tensor.count * bits + 7) / 8)
        var reference: [Double] = []
        let middle = bits == 1 ? 0.5 : Double(1 << (bits - 1))
        for (index, code) in codes.enumerated() {
            for bit in 0..<bits where code >> bit & 1 == 1 {
                packed[(index * bits + bit) / 8] |= 1 << UInt8((index * bits + bit) % 8)
            }
            let channel = channels == 1 ? 0 : index / (tensor.count / channels)
            let level =
                isLog ? Self.logLevel(code, bits: bits) : Double(code) - (hasZeros ? Double(zeros[channel]) : middle)
            reference.append(Double(scales[channel]) * level)
        }
        let delta = QuantizedDelta(
            bits: bits, scheme: isLog ? .log : .linear, codes: PayloadTensor(.uint8, [packed.count], packed),
            scales: PayloadTensor(scales, shape: [channels]),
            zeros: hasZeros ? PayloadTensor(zeros, shape: [channels]) : nil)
        return Change(change: Edit(tensor: tensor.name, delta), scale: 1, reference: reference)
    }

    /// What a logarithmic code stands for, by the words of the specification.
    private static func logLevel(_ code: Int, bits: Int) -> Double {
        let half = 1 << (bits - 1)
        let (k, top) = (code % half, half - 1)
        if k == 0 { return 0 }
        let power = top == 1 ? 1 : pow(2, Double((bits - 1) * (k - top)) / Double(top - 1))
        return Double(Float(power)) * (code < half ? 1 : -1)
    }
}

extension RandomCase {
    /// The bytes of a tensor after these patches, computed by the specification with nothing of the library.
    static func expected(_ tensor: Tensor, base: [UInt8], _ layers: [Layer]) -> [UInt8] {
        var sums = [Double](repeating: 0, count: tensor.count)
        for layer in layers.sorted(by: { $0.applied.patch.id < $1.applied.patch.id }) {
            for change in layer.changes where change.change.tensor == tensor.name {
                let scale = layer.applied.scale * change.scale
                for (index, value) in change.reference.enumerated() { sums[index] += scale * value }
            }
        }
        var result = base
        for (index, sum) in sums.enumerated() where sum != 0 {
            let place = index * tensor.type.width
            let value: Float = base.withUnsafeBytes { bytes in
                switch tensor.type {
                case .float32: bytes.loadUnaligned(fromByteOffset: place, as: Float.self)
                case .float16: Float(bytes.loadUnaligned(fromByteOffset: place, as: Float16.self))
                default:
                    Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)) << 16)
                }
            }
            let new = Float(Double(value) + sum)
            let bytes: [UInt8] =
                switch tensor.type {
                case .float32: withUnsafeBytes(of: new) { [UInt8]($0) }
                case .float16: withUnsafeBytes(of: Float16(new)) { [UInt8]($0) }
                default: withUnsafeBytes(of: UInt16(nearestBFloat16(new).bitPattern >> 16)) { [UInt8]($0) }
                }
            result.replaceSubrange(place..<place + tensor.type.width, with: bytes)
        }
        return result
    }
}

/// By comparing the two neighbors, unlike the code under test.
func nearestBFloat16(_ value: Float) -> Float {
    if value.isInfinite { return value }
    let low = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
    let high = Float(bitPattern: (value.bitPattern & 0xFFFF_0000) + 0x1_0000)
    let (below, above) = (
        Double(value.magnitude) - Double(low.magnitude), Double(high.magnitude) - Double(value.magnitude)
    )
    if below == above { return low.bitPattern >> 16 & 1 == 0 ? low : high }
    return below < above ? low : high
}
