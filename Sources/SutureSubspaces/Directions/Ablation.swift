import SutureModels
import SutureTensor

/// Ways to take away what a component says, without saying anything else.
public enum Ablation: Sendable, Hashable {
    /// Zeros in its place: simple, but often far from anything natural.
    case zero
    /// Its mean over all bases and sources.
    case mean
    /// Its value in another prompt that is drawn at random: natural, and noisy.
    case resample(seed: UInt64)
}

extension PairedRuns {
    /// What the model says when a component is ablated at a spot of one token, in the order of the pairs.
    ///
    /// - Parameters:
    ///   - spot: one that values were kept of.
    ///   - ablation: what is put in its place.
    ///   - units: the channels that are ablated, such as some neurons; nil means all.
    ///   - directions: orthonormal columns `[width, k]` (or `[units, k]`) within which it is ablated; nil means all of it.
    /// - Throws: ``SubspaceError`` for a spot of several tokens or one that nothing was kept of.
    public func outcome(
        ablating spot: Spot, _ ablation: Ablation, units: [Int]? = nil, directions: Tensor? = nil
    ) throws -> Outcome {
        let values = try values(spot)
        let all = try Tensor.concatenated([values.base, values.source], 0)
        // One row for each pair.
        var fill: Tensor
        switch ablation {
        case .zero: fill = try values.base * 0
        case .mean: fill = try all.mean([0], keepingDims: true).expanded(values.base.shape)
        case .resample(let seed):
            var random = SeededGenerator(seed: seed)
            // Any prompt but the pair's own base.
            let count = pairs.count
            fill = try all.gathered(0, at: (0..<count).map { ($0 + 1 + random.below(2 * count - 1)) % (2 * count) })
        }
        if let units { fill = try fill.gathered(1, at: units) }
        return try outcome { batch in
            let rows = try fill.gathered(0, at: batch.members).unsqueezed(1)
            let change: Intervention.Change = directions.map { .swap($0, from: rows) } ?? .replace(rows)
            return [Intervention(spot.site, at: try batch.positions(spot.place), units: units, change)]
        }
    }
}
