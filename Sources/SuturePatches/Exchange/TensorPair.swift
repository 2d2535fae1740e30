import SutureFormats

/// The same tensor in two models.
struct TensorPair: Sendable {
    let name: String
    let base: Checkpoint.Tensor
    let baseBytes: TensorBytes
    let tuned: Checkpoint.Tensor
    let tunedBytes: TensorBytes
    /// What is taken off the difference; nil for nothing.
    var rejection: Rejection?

    var count: Int { base.shape.reduce(1, *) }
    /// The elements that both have: fewer where one has a longer vocabulary, whose first rows are the other's.
    var common: Int { min(count, tuned.shape.reduce(1, *)) }
    var isBuffer: Bool { base.isBuffer && tuned.isBuffer }
    var isPatchable: Bool { base.type.isPatchable && tuned.type.isPatchable }

    /// Whether any byte differs, or the types do and any element.
    func hasDifferences() throws -> Bool {
        guard base.type == tuned.type else {
            guard isPatchable else { return true }
            var differs = false
            try EditWriter.forEachChunk(of: common) { range in
                differs = try differs || differences(range).contains { $0 != 0 }
            }
            return differs
        }
        let end = common * base.type.width
        for start in stride(from: 0, to: end, by: TensorBytes.chunkSize) {
            let range = start..<min(start + TensorBytes.chunkSize, end)
            if try baseBytes.bytes(range) != tunedBytes.bytes(range) { return true }
        }
        return false
    }

    /// The same pair with what is taken off its difference; nil if all of it is.
    func taking(_ portion: Extraction.Portion) throws -> TensorPair? {
        switch portion {
        case .nothing: nil
        case .all: self
        case .orthogonal(let start): try rejecting(from: start)
        }
    }

    /// The same pair without the part of its difference along the way from `start` to the base.
    private func rejecting(from start: Checkpoint) throws -> TensorPair {
        guard let tensor = start[name], tensor.shape == base.shape, tensor.type.isPatchable else {
            throw PatchError(
                .conflict, "the model that both came from lacks this tensor", subject: name,
                expected: "\(base.type.rawValue)\(base.shape)",
                found: start[name].map { "\($0.type.rawValue)\($0.shape)" } ?? "nothing")
        }
        try checkPatchable()
        guard tuned.shape == base.shape else {
            throw PatchError(
                .conflict, "a part can be taken off where all models have one vocabulary alone", subject: name,
                expected: "\(base.shape)", found: "\(tuned.shape)")
        }
        var pair = self
        pair.rejection = try Rejection(of: self, from: tensor, start.pieces(of: tensor))
        return pair
    }

    func checkPatchable() throws {
        guard isPatchable, !base.shape.contains(0) else {
            throw PatchError(
                .unsupportedType, "tensors of this type cannot be patched", subject: name, expected: "F32, BF16 or F16",
                found: "\(base.type.rawValue) and \(tuned.type.rawValue)")
        }
    }

    /// What a patch knows of the base.
    func hashedBase() throws -> BaseTensor {
        if let rejection { return rejection.base }
        var digest = Digest(labeled: base.type, base.shape)
        try baseBytes.forEachChunk { digest.update($0) }
        return BaseTensor(type: base.type, shape: base.shape, digest: digest)
    }

    /// Tuned less base, without its part along the rejection, rounded to float32; zero where only the base has an element.
    /// The types must be patchable.
    func differences(_ range: Range<Int>) throws -> [Float] {
        if let rejection { return try rejection.differences(of: self, range) }
        guard range.upperBound <= common else {
            let known = range.clamped(to: 0..<common)
            return try (known.isEmpty ? [] : differences(known))
                + [Float](repeating: 0, count: range.count - known.count)
        }
        let (before, after) = try (baseBytes.floats(range, base.type), tunedBytes.floats(range, tuned.type))
        // The difference of two float32, taken in float32, is the exact one rounded once.
        return [Float](unsafeUninitializedCapacity: range.count) { values, initialized in
            before.withUnsafeBufferPointer { before in
                after.withUnsafeBufferPointer { after in
                    for index in 0..<before.count { values[index] = after[index] - before[index] }
                }
            }
            initialized = range.count
        }
    }

    /// The least magnitude among the largest `density` of the differences.
    func threshold(density: Double) throws -> Float {
        var magnitudes = try differences(0..<count).map(\.magnitude)
        magnitudes.sort(by: >)
        return magnitudes[min(magnitudes.count, max(1, Int((density * Double(count)).rounded(.up)))) - 1]
    }
}

/// Which tensors two models have in common.
struct CheckpointPairs {
    let pairs: [TensorPair]
    /// The others, each with what is odd.
    let unpaired: [(name: String, oddity: String)]
    /// Buffers that only one of them has: masks and the like, no weights.
    let buffers: [String]
    /// Rows of a vocabulary that only one of them has.
    let rows: [String]
    private let source: String

    init(_ base: Checkpoint, _ tuned: Checkpoint) throws {
        source = "\(base.url.relativePath) and \(tuned.url.relativePath)"
        var (pairs, unpaired, buffers): ([TensorPair], [(String, String)], [String]) = ([], [], [])
        var rows: [String] = []
        let names = TensorNaming(base, tuned)
        // A head that is the embeddings once more says nothing new where the other has none or the same.
        let copies = (try base.copiedHead()?.head, try tuned.copiedHead()?.head)
        func isCopy(_ name: String, in first: String?, _ second: String?, _ other: Checkpoint.Tensor?) -> Bool {
            name == first && (other == nil || name == second)
        }
        for tensor in base.tensors.sorted(by: { ByteString($0.name) < ByteString($1.name) }) {
            let found = tuned[names.second(tensor.name)]
            if isCopy(tensor.name, in: copies.0, copies.1, found) { continue }
            if tensor.isBuffer {
                if found == nil { buffers.append(tensor.name) }
                if found == nil || tensor.type.isPatchable { continue }
            }
            guard let other = found else {
                unpaired.append((tensor.name, "only in the first"))
                continue
            }
            if let difference = Checkpoint.vocabularyDifference(tensor.name, tensor.shape, other.shape) {
                rows.append(difference)
            } else if other.shape != tensor.shape {
                unpaired.append((tensor.name, "\(tensor.shape) and \(other.shape)"))
                continue
            }
            pairs.append(
                TensorPair(
                    name: tensor.name, base: tensor, baseBytes: try base.pieces(of: tensor), tuned: other,
                    tunedBytes: try tuned.pieces(of: other)))
        }
        for tensor in tuned.tensors where base[names.first(tensor.name)] == nil {
            if isCopy(tensor.name, in: copies.1, copies.0, nil) { continue }
            if tensor.isBuffer {
                buffers.append(tensor.name)
            } else {
                unpaired.append((tensor.name, "only in the second"))
            }
        }
        (self.buffers, self.rows) = (buffers, rows)
        self.pairs = pairs
        self.unpaired = unpaired
    }

    /// The unpaired ones, for people.
    var oddities: [String] {
        unpaired.map { "\($0.name): \($0.oddity)" } + notices
    }

    /// What is left out without being asked for.
    var notices: [String] { buffers.map { "\($0): a buffer of one of the models" } + rows }

    func refuseUnpaired(where portion: (String) -> Extraction.Portion = { _ in .all }) throws {
        let unpaired = unpaired.filter { if case .nothing = portion($0.name) { false } else { true } }
        guard let first = unpaired.first else { return }
        throw PatchError(
            .conflict, "the models do not have the same tensors", subject: source,
            found: "\(first.name): \(first.oddity)" + (unpaired.count > 1 ? ", and \(unpaired.count - 1) more" : ""),
            hint: "--shared leaves such tensors out, if they are not meant")
    }
}

extension Checkpoint.Tensor {
    /// Whether this is no weight but what a network computes once or counts: masks, frequencies, numbers of batches.
    var isBuffer: Bool {
        switch type {
        case .int64, .int32, .int16, .int8, .uint64, .uint32, .uint16, .uint8, .bool: true
        default:
            name.hasSuffix("rotary_emb.inv_freq") || name.hasSuffix(".attn.masked_bias")
                || name.hasSuffix(".attn.bias") && shape.count == 4
        }
    }
}

extension Checkpoint {
    /// How a tensor of a model differs from the same one of another, if only in the length of the vocabulary.
    static func vocabularyDifference(_ name: String, _ shape: [Int], _ other: [Int]) -> String? {
        guard isOfVocabulary(name), shape.count == other.count, let length = shape.first, length > 0,
            let otherLength = other.first, otherLength > 0, length != otherLength,
            shape.dropFirst() == other.dropFirst()
        else { return nil }
        return "\(name): rows \(min(length, otherLength))..<\(max(length, otherLength)), which only the "
            + (length > otherLength ? "first" : "second") + " model has"
    }
}
