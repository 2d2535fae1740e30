import Foundation

extension Checkpoint {
    /// Writes this model as a snapshot directory, one tensor in memory at a time.
    ///
    /// Tensors keep the element type they are presented with, float32 for a GGUF file, unless another is asked for. A
    /// snapshot's other files are copied; a GGUF file gives `config.json`, and `finish` may add what is made elsewhere, such as `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - url: the place of the directory.
    ///   - overwriting: whether another snapshot directory there is replaced.
    ///   - shardSize: the most bytes of tensors for a file; a model that takes more is written in shards with an index.
    ///   - type: F32, BF16 or F16 for all tensors of these types, rounded to nearest, ties to even.
    ///   - finish: is given the directory before it gets its name.
    /// - Throws: ``FormatError``; nothing is left of the directory then.
    public func writeSnapshot(
        to url: URL, overwriting: Bool = false, shardSize: Int = 5_000_000_000,
        as type: StorageType? = nil, finish: (URL) throws -> Void = { _ in }
    ) throws {
        try SnapshotDirectory.create(at: url, from: self.url, overwriting: overwriting) { directory in
            let isKept = snapshot != nil && type == nil
            let others = self.directory?.otherFiles.filter { isKept || $0 != "config.json" } ?? []
            try self.directory?.copy(others, to: directory)
            if !isKept {
                try AtomicFile.write(
                    config(storedAs: type).serialized(pretty: true), to: directory.appending(path: "config.json"))
            }
            try writeWeights(to: directory, shards: shards(of: shardSize, as: type), as: type)
            try finish(directory)
        }
    }

    /// The configuration, which says in what type the weights are stored where it did so before.
    private func config(storedAs type: StorageType?) -> JSON {
        guard let type, case .object(var object) = config.value else { return config.value }
        let name: JSON = type == .float32 ? "float32" : type == .bfloat16 ? "bfloat16" : "float16"
        for key: ByteString in ["dtype", "torch_dtype"] where object[key] != nil { object[key] = name }
        return .object(object)
    }

    private func writeWeights(to directory: URL, shards: [[Tensor]], as type: StorageType?) throws {
        var index = JSONObject()
        for (number, shard) in shards.enumerated() {
            let name =
                shards.count == 1
                ? SnapshotDirectory.singleName
                : "model-\(Self.fiveDigits(number + 1))-of-\(Self.fiveDigits(shards.count)).safetensors"
            let sources = shard.map { tensor -> SafetensorsSource in
                let stored = Self.storedType(of: tensor, as: type)
                return SafetensorsSource(tensor.name, stored, tensor.shape) { append in
                    try pieces(of: tensor).forEachChunk { bytes in
                        if stored == tensor.type { return try append(bytes) }
                        try Self.converted(bytes, of: tensor, to: stored).withUnsafeBytes(append)
                    }
                }
            }
            try SafetensorsWriter.write(sources, to: directory.appending(path: name))
            for tensor in shard { index[ByteString(tensor.name)] = JSON(name) }
        }
        guard shards.count > 1 else { return }
        let total = shards.joined().reduce(0) { $0 + Self.byteCount($1, as: type) }
        let json: JSON = ["metadata": ["total_size": JSON(total)], "weight_map": .object(index)]
        try AtomicFile.write(
            json.serialized(pretty: true), to: directory.appending(path: SnapshotDirectory.indexName))
    }

    /// The tensors in their order, shared out so that none but a single large tensor exceeds `size`.
    private func shards(of size: Int, as type: StorageType?) -> [[Tensor]] {
        var shards: [[Tensor]] = [[]]
        var used = 0
        for tensor in tensors {
            let bytes = Self.byteCount(tensor, as: type)
            if used > 0, bytes > size - used {
                shards.append([])
                used = 0
            }
            shards[shards.count - 1].append(tensor)
            used += bytes
        }
        return shards
    }

    // The shapes were checked against the file when it was opened.
    private static func byteCount(_ tensor: Tensor, as type: StorageType?) -> Int {
        storedType(of: tensor, as: type).byteCount(shape: tensor.shape) ?? 0
    }

    private static func storedType(of tensor: Tensor, as type: StorageType?) -> StorageType {
        tensor.type.isPatchable ? type ?? tensor.type : tensor.type
    }

    private static func converted(
        _ bytes: UnsafeRawBufferPointer, of tensor: Tensor, to type: StorageType
    ) throws -> [UInt8] {
        let count = bytes.count / tensor.type.width
        var result = [UInt8](repeating: 0, count: count * type.width)
        try result.withUnsafeMutableBytes { result in
            for index in 0..<count {
                let value = tensor.type.load(bytes, at: index)
                type.store(value, in: result, at: index)
                if value.isFinite, !type.load(UnsafeRawBufferPointer(result), at: index).isFinite {
                    throw FormatError(
                        .overflow, "a weight is too large for \(type.rawValue)", subject: tensor.name,
                        found: "\(value)", hint: "choose BF16")
                }
            }
        }
        return result
    }

    private static func fiveDigits(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
}
