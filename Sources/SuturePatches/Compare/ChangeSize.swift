import SutureFormats

/// How large the change of a tensor is, and the tensor itself.
public struct ChangeSize: Sendable {
    public let tensor: String
    /// The sum of the squares of what is added.
    public let change: Double
    /// The sum of the squares of what is there before.
    public let base: Double

    /// Measures what an ``Extraction`` would take, a piece of a tensor at a time, all sums in float64.
    ///
    /// - Throws: ``PatchError`` if the models do not correspond, a type cannot be patched, or a weight is no number.
    public static func measure(
        from base: Checkpoint, to tuned: Checkpoint, taking portion: @Sendable (String) -> Extraction.Portion
    ) throws -> [ChangeSize] {
        let pairs = try CheckpointPairs(base, tuned)
        try pairs.refuseUnpaired(where: portion)
        return try Parallel.map(pairs.pairs) { pair in
            guard let pair = try pair.taking(portion(pair.name)), try pair.hasDifferences() else { return nil }
            try pair.checkPatchable()
            return try ChangeSize(of: pair)
        }.compactMap { $0 }
    }

    private init(of pair: TensorPair) throws {
        var (change, base) = (0.0, 0.0)
        try EditWriter.forEachChunk(of: pair.common) { range in
            let (differences, before) = try (pair.differences(range), pair.baseBytes.floats(range, pair.base.type))
            differences.withUnsafeBufferPointer { differences in
                before.withUnsafeBufferPointer { before in
                    let sums = LaneSums.add(count: range.count) { index in
                        let (value, weight) = (Double(differences[index]), Double(before[index]))
                        return (value * value, weight * weight)
                    }
                    change += sums.0
                    base += sums.1
                }
            }
        }
        guard change.isFinite, base.isFinite else {
            throw PatchError(.badPayload, "a weight of the models is no number", subject: pair.name)
        }
        tensor = pair.name
        self.change = change
        self.base = base
    }
}
