import SutureTensor

extension LearnedStudy {
    /// The directions of a family that control the output and whose truth is known.
    public func judged(_ family: Family, kind: String? = nil) -> [Direction] {
        directions.filter {
            $0.family == family && $0.isIllusory != nil && $0.effect >= Self.leastEffect
                && (kind == nil || $0.kind == kind)
        }
    }

    /// The families of which there is something.
    public var families: [Family] { Family.allCases.filter { family in directions.contains { $0.family == family } } }

    /// The kinds of networks of a family, in the order in which they were made.
    public func kinds(_ family: Family) -> [String] {
        var found: [String] = []
        for direction in directions where direction.family == family && !found.contains(direction.kind) {
            found.append(direction.kind)
        }
        return found
    }

    /// The area under the ROC curve of a number in a family; nil where a family has directions of one sort only.
    public func auc(_ family: Family, _ value: (Direction) -> Double) -> Estimate? {
        let all = judged(family)
        let illusory = all.filter { $0.isIllusory == true }.map(value)
        let faithful = all.filter { $0.isIllusory == false }.map(value)
        return illusory.isEmpty || faithful.isEmpty ? nil : AUC.estimate(illusory, faithful)
    }

    /// A threshold that was found on one half of the networks of a family, by their seeds; the other half tests it.
    public func threshold(_ family: Family, _ value: (Direction) -> Double = { $0.score.value }) -> Double? {
        let half = judged(family).filter { $0.isForThreshold }
        let values = half.map(value).sorted()
        let cuts = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
        let rights = cuts.map { Self.right(half, above: $0, value)?.value ?? 0 }
        guard let best = rights.max(), Self.right(half, above: 0, value) != nil else { return nil }
        let good = zip(cuts, rights).filter { $0.1 == best }.map(\.0)
        return good[good.count / 2]
    }

    /// How many of a family's other half a threshold puts on the right side: the mean of the shares of both sorts.
    public func right(_ family: Family, above threshold: Double, _ value: (Direction) -> Double = { $0.score.value })
        -> Estimate?
    {
        Self.right(judged(family).filter { !$0.isForThreshold }, above: threshold, value)
    }

    private static func right(_ directions: [Direction], above threshold: Double, _ value: (Direction) -> Double)
        -> Estimate?
    {
        func rights(_ isIllusory: Bool) -> [Double] {
            directions.filter { $0.isIllusory == isIllusory }.map { (value($0) > threshold) == isIllusory ? 1 : 0 }
        }
        let (first, second) = (rights(true), rights(false))
        guard !first.isEmpty, !second.isEmpty else { return nil }
        return Bootstrap.estimate(first, second) { (Bootstrap.mean($0) + Bootstrap.mean($1)) / 2 }
    }
}

extension AUC {
    /// ``value(_:_:)`` with its interval: percentiles of 1000 resamples of both.
    static func estimate(_ first: [Double], _ second: [Double]) -> Estimate {
        Bootstrap.estimate(first, second) { value($0, $1) }
    }
}

extension Bootstrap {
    /// A statistic of two samples, each resampled by itself, with its percentile interval.
    fileprivate static func estimate(
        _ first: [Double], _ second: [Double], _ statistic: ([Double], [Double]) -> Double
    ) -> Estimate {
        var random = SeededGenerator(seed: 0)
        func drawn(_ values: [Double]) -> [Double] { values.map { _ in random.pick(values) } }
        let values = (0..<1000).map { _ in statistic(drawn(first), drawn(second)) }.sorted()
        return Estimate(statistic(first, second), low: values[25], high: values[974])
    }
}
