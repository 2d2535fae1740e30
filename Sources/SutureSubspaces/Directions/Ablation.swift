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
    /// What the model says when a component is ablated at a location of one token, in the order of the pairs.
    ///
    /// - Parameters:
    ///   - location: one that values were kept of.
    ///   - ablation: what is put in its place.
    ///   - units: the channels that are ablated, such as some neurons; nil means all.
    ///   - directions: orthonormal columns `[width, k]` (or `[units, k]`) within which it is ablated; nil means all of it.
    /// - Throws: ``SubspaceError`` for a location of several tokens or one that nothing was kept of.
    public func outputs(
        ablating location: Location, _ ablation: Ablation, units: [Int]? = nil, directions: Tensor? = nil
    ) throws -> PairOutputs {
        let values = try values(location)
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
            fill = try all.indexSelected(
                0, at: (0..<count).map { ($0 + 1 + random.below(2 * count - 1)) % (2 * count) })
        }
        if let units { fill = try fill.indexSelected(1, at: units) }
        return try outputs { batch in
            let rows = try fill.indexSelected(0, at: batch.members).unsqueezed(1)
            let change: Intervention.Change = directions.map { .swap($0, from: rows) } ?? .replace(rows)
            return [Intervention(location.site, at: try batch.positions(location.tokens), units: units, change)]
        }
    }
}
