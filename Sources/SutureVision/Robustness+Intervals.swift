import SutureFormats

extension Robustness {
    /// The share of right answers over some of the corruptions, each counting the same, with its 95% interval.
    ///
    /// The same images are seen under each, so each counts as one case.
    public func accuracy(where isMeant: (Corruption) -> Bool = { _ in true }) -> Estimate {
        let rows = corrupted.filter { isMeant($0.corruption) }
        if rows.count == 1 { return rows[0].evaluation.estimate }
        let mean = rows.reduce(0) { $0 + $1.evaluation.accuracy } / Double(max(1, rows.count))
        let estimate = Estimate(meanOfShares: Self.shares(rows))
        return Estimate(mean, low: estimate.low, high: estimate.high)
    }

    /// By how much more of the corrupted images are told right than by another classifier, which saw the same ones.
    public func gain(over other: Robustness) -> Estimate {
        Self.difference(Self.shares(corrupted), Self.shares(other.corrupted))
    }

    /// By how much more of the clean images are told right than by another classifier, which saw the same ones.
    public func cleanGain(over other: Robustness) -> Estimate {
        Self.difference(isRight.map { $0 ? 1 : 0 }, other.isRight.map { $0 ? 1 : 0 })
    }

    private static func difference(_ own: [Double], _ others: [Double]) -> Estimate {
        Estimate(meanOfDifferences: zip(own, others).map(-))
    }

    /// For each image, under which share of the corruptions it was told right.
    private static func shares(_ rows: [Row]) -> [Double] {
        guard let first = rows.first, rows.allSatisfy({ $0.isRight.count == first.isRight.count }) else { return [] }
        return first.isRight.indices.map { image in
            rows.reduce(0) { $0 + ($1.isRight[image] ? 1 : 0) } / Double(rows.count)
        }
    }
}
