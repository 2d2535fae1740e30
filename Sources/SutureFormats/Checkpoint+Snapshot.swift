import Foundation

extension Checkpoint {
    /// Writes this model as a snapshot directory, one tensor in memory at a time.
    ///
    /// Tensors keep the element type they are presented with: float32 for a GGUF file. A snapshot's other files are
    /// copied; a GGUF file gives `config.json`, and `finish` may add what is made elsewhere, such as `tokenizer.json`.
    ///
    /// - Parameters:
    ///   - overwriting: whether another snapshot directory there is replaced.
    ///   - shardSize: the most bytes of tensors for a file; a model that takes more is written in shards with an index.
    ///   - finish: is given the directory before it gets its name.
    /// - Throws: ``FormatError``; nothing is left of the directory then.
    public func writeSnapshot(
        to url: URL, overwriting: Bool = false, shardSize: Int = 5_000_000_000,
        finish: (URL) throws -> Void = { _ in }
    ) throws {
        try SnapshotDirectory.create(at: url, from: self.url, overwriting: overwriting) { directory in
            if let snapshot {
                try snapshot.copy(snapshot.otherFiles, to: directory)
            } else {
                try AtomicFile.write(
                    config.value.serialized(pretty: true), to: directory.appending(path: "config.json"))
            }
            try writeWeights(to: directory, shards: shards(of: shardSize))
            try finish(directory)
        }
    }

    private func writeWeights(to directory: URL, shards: [[Tensor]]) throws {
        var index = JSONObject()
        for (number, shard) in shards.enumerated() {
            let name =
                shards.count == 1
                ? SnapshotDirectory.singleName
                : "model-\(Self.fiveDigits(number + 1))-of-\(Self.fiveDigits(shards.count)).safetensors"
            let sources = shard.map { tensor in
                SafetensorsSource(tensor.name, tensor.type, tensor.shape) { append in
                    try pieces(of: tensor).forEachChunk(append)
                }
            }
            try SafetensorsWriter.write(sources, to: directory.appending(path: name))
            for tensor in shard { index[ByteString(tensor.name)] = JSON(name) }
        }
        guard shards.count > 1 else { return }
        let total = shards.joined().reduce(0) { $0 + Self.byteCount($1) }
        let json: JSON = ["metadata": ["total_size": JSON(total)], "weight_map": .object(index)]
        try AtomicFile.write(
            json.serialized(pretty: true), to: directory.appending(path: SnapshotDirectory.indexName))
    }

    /// The tensors in their order, shared out so that none but a single large tensor exceeds `size`.
    private func shards(of size: Int) -> [[Tensor]] {
        var shards: [[Tensor]] = [[]]
        var used = 0
        for tensor in tensors {
            let bytes = Self.byteCount(tensor)
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
    private static func byteCount(_ tensor: Tensor) -> Int { tensor.type.byteCount(shape: tensor.shape) ?? 0 }

    private static func fiveDigits(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
}
