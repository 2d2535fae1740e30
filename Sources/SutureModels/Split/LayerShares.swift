import SutureFormats

/// Which layers each of several processes holds, so that all hold about as many weights.
///
/// Rank 0 has the embedding, the last layers, the last norm and the head: answers come out there, and what a repair
/// changes is there. The ranks behind it have the layers below, from the first one on, in their order.
public struct LayerShares: Sendable, Equatable {
    /// The layers of each rank.
    public let layers: [Range<Int>]
    /// How many weights each rank reads; a matrix that embeds and scores is one.
    public let weights: [Int]

    /// Shares a checkpoint's layers out.
    ///
    /// Throws ``ModelError`` with code `split` for fewer layers than processes.
    public init(of checkpoint: Checkpoint, among size: Int) throws {
        let architecture = try Architecture(config: checkpoint.config.value, source: checkpoint.config.path)
            .fitted(to: checkpoint)
        let depth = architecture.layers
        guard size <= depth else {
            throw ModelError(
                .split, "the model has fewer layers than there are processes", subject: checkpoint.url.relativePath,
                expected: "\(depth) processes at most", found: "\(size)")
        }
        func count(_ names: some Sequence<String>) -> Int {
            names.reduce(0) { $0 + (checkpoint[$1]?.shape.reduce(1, *) ?? 0) }
        }
        let each = (0..<depth).map { count(architecture.tensors.tensors(ofLayer: $0)) }
        let all = each.reduce(0, +)
        let ends = count(architecture.neededTensors(in: []).map(\.name))
        // Those that repairs change are rank 0's in any case.
        let top = Double(all + ends) / Double(size) - Double(ends)
        let last = min(
            max(Int((top * Double(depth) / Double(max(1, all))).rounded()), max(1, depth / 10)), depth - (size - 1))
        let below = depth - last
        layers =
            [below..<depth] + (0..<size - 1).map { below * $0 / (size - 1)..<below * ($0 + 1) / (size - 1) }
        weights = layers.enumerated().map { rank, range in
            each[range].reduce(rank == 0 ? ends : 0, +)
        }
    }

    /// What a rank holds, in words.
    public func description(of rank: Int) -> String {
        let range = layers[rank]
        let own =
            range.count == 1 ? "layer \(range.lowerBound)" : "layers \(range.lowerBound) to \(range.upperBound - 1)"
        let millions = [weights[rank], weights.reduce(0, +)].map { (Double($0) / 1e5).rounded() / 10 }
        return "rank \(rank) of \(layers.count) holds \(rank == 0 ? "the embedding, " : "")\(own) of "
            + "\(layers.map(\.upperBound).max() ?? 0)\(rank == 0 ? ", the last norm and the head" : ""): "
            + "\(millions[0]) of \(millions[1]) million weights"
    }
}
