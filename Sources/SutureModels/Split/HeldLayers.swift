import SutureTensor

/// The layers of a process that runs them for rank 0, and the keys and values that it keeps.
struct HeldLayers {
    private let model: LanguageModel
    private let layers: Range<Int>
    private var kept: [Int: [Int: KeyValues]] = [:]

    init(_ model: LanguageModel, _ layers: Range<Int>) { (self.model, self.layers) = (model, layers) }

    /// Takes a batch through the layers: numbers `[rows x positions x width]`, and `[rows, positions, width]` back.
    mutating func run(_ batch: RingMessage.Batch, _ numbers: Tensor) throws -> Tensor {
        for id in batch.released { kept[id] = nil }
        let context = 0...model.architecture.contextLength
        let shape = [batch.rows, batch.positions.count, model.architecture.width]
        guard (1...1 << 20).contains(batch.rows), !batch.positions.isEmpty,
            context.contains(batch.positions.lowerBound),
            context.contains(batch.positions.upperBound), numbers.count == shape.reduce(1, *)
        else {
            throw ModelError(
                .split, "a message does not hold the batch that it says", expected: "\(shape)",
                found: "\(numbers.count) numbers")
        }
        var passing = Passing(
            before: try batch.prefix.map { try cut($0.id, $0.cuts) } ?? [:], isKeeping: batch.keep != nil)
        for layer in layers {
            let (length, rows) = passing.before[layer].map { ($0.keys.shape[2], $0.keys.shape[0]) } ?? (0, batch.rows)
            guard length == batch.positions.lowerBound, rows == batch.rows else {
                throw ModelError(
                    .split, "the keys and values that are kept are not those before the batch",
                    expected: "\(batch.rows) rows of \(batch.positions.lowerBound)", found: "\(rows) of \(length)")
            }
        }
        let forward = try Forward(batch.isDecoding ? model.decoding : model, positions: batch.positions)
        let stream = try Tensor.withoutGradients {
            try forward.run(
                .entering(layers.lowerBound)..<Entry.entering(layers.upperBound),
                ResidualStream(residual: numbers.reshaped(shape)), visitor: &passing)
        }
        if let id = batch.keep { kept[id] = passing.seen }
        return stream.residual
    }

    private func cut(_ id: Int, _ cuts: [DistantKeys.Cut]) throws -> [Int: KeyValues] {
        guard let found = kept[id] else {
            throw ModelError(.split, "a message asks for keys and values that are not kept", found: "\(id)")
        }
        return try found.mapValues { keys in try cuts.reduce(keys) { try $0.prefix($1.count, rows: $1.rows) } }
    }

    /// A run that reads keys and values of positions before it, and keeps what it saw.
    private struct Passing: LayerVisitor {
        let before: [Int: KeyValues]
        let isKeeping: Bool
        var seen: [Int: KeyValues] = [:]

        func prefix(_ layer: Int) -> KeyValues? { before[layer] }

        mutating func keep(_ seen: KeyValues, of layer: Int) { if isKeeping { self.seen[layer] = seen } }
    }
}
