import SutureTensor

extension EvaluationSummary {
    /// One method beside another on the same failures: what a method moves elsewhere can only be compared where both
    /// fix, because the hard failures, which some leave alone, take the larger changes.
    public struct Pair: Sendable, Codable {
        public var method: String
        public var other: String
        /// How many failures both fix, and only one of them; and the p of McNemar's exact test.
        public var both: Int
        public var onlyMethod: Int
        public var onlyOther: Int
        public var p: Double
        /// Of the failures that both fix, the method's mean over the other's: below 1, the method moves less. Nil where
        /// they fix none together, or the other moves nothing.
        public var unrelated: Estimate?
        public var related: Estimate?
        /// Of the same, by how much paraphrase generalization is larger.
        public var carriedOver: Estimate?
        /// The mean time of all attempts over the other's; nil where there are none.
        public var seconds: Estimate?
    }
}

extension EvaluationSummary.Pair {
    /// - Parameters:
    ///   - method: its name.
    ///   - other: the name of the other one.
    ///   - repairs: the attempts of both on the same failures.
    init(_ method: String, _ other: String, _ repairs: [(own: RepairRecord, other: RepairRecord)]) {
        self.method = method
        self.other = other
        let test = Bootstrap.mcNemar(repairs.map(\.own.isFixed), repairs.map(\.other.isFixed))
        (onlyMethod, onlyOther, p) = (test.onlyA, test.onlyB, test.p)
        let fixed = repairs.filter { $0.own.isFixed && $0.other.isFixed }
        both = fixed.count
        unrelated = Self.ratio(fixed, \.unrelated.mean)
        related = Self.ratio(fixed, \.related.mean)
        seconds = Self.ratio(repairs, \.seconds)
        let gains = fixed.compactMap { own, other in
            own.carriedShare.flatMap { mine in other.carriedShare.map { mine - $0 } }
        }
        carriedOver = gains.isEmpty ? nil : Bootstrap.estimate(mean: gains)
    }

    private static func ratio(
        _ repairs: [(own: RepairRecord, other: RepairRecord)], _ value: (RepairRecord) -> Double
    ) -> Estimate? {
        let columns = [repairs.map { value($0.own) }, repairs.map { value($0.other) }]
        guard Bootstrap.mean(columns[1]) > 0 else { return nil }
        return Bootstrap.estimate(columns) { $0[1] > 0 ? $0[0] / $0[1] : 1 }
    }
}

extension RepairRecord {
    /// The share of the question's variants that come out right; nil where there is none.
    var carriedShare: Double? {
        variants.isEmpty ? nil : Double(variants.values.count { $0 == 1 }) / Double(variants.count)
    }
}
