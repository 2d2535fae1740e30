import SutureTensor

/// What came out of a ``FactStudy``.
public struct FactReport: Sendable, Codable {
    /// What was done at a layer, each pair with a direction or an edit of its own.
    public enum Kind: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
        /// The source's hidden activation in place of the base's, at the subject.
        case whole
        /// A patch along a learned direction there, and along its row part made of length one.
        case direction, row
        /// The rank-1 edit that equals the patch at the subject.
        case edit
        /// A rank-1 edit whose value was found as in ROME.
        case rome
        /// The direction whose projecting out comes nearest to that edit, and the row part of it.
        case zero, zeroRow
    }

    /// How much of it there was.
    public struct Effect: Sendable, Codable {
        /// The share of pairs in which the source's object became the most likely token.
        public var flips: Estimate
        /// 1 - mean(LD patched) / mean(LD clean).
        public var fldd: Estimate
        /// The mean of (p patched - p clean) / (1 - p clean), p the probability of the source's object.
        public var rewrite: Estimate

        init(_ scores: [FactScores], clean: [FactScores]) throws {
            let before = clean.flatMap(\.difference)
            let after = scores.flatMap(\.difference)
            flips = Bootstrap.estimate([scores.flatMap(\.flips).map { $0 ? 1 : 0 }]) { $0[0] }
            fldd = Bootstrap.estimate([before, after]) { $0[0] == 0 ? 0 : 1 - $0[1] / $0[0] }
            let rewrites = zip(scores.flatMap(\.probability), clean.flatMap(\.probability)).map { ($0 - $1) / (1 - $1) }
            rewrite = Bootstrap.estimate([rewrites]) { $0[0] }
        }
    }

    /// One layer.
    public struct Row: Sendable, Codable {
        public var layer: Int
        public var effects: [Kind: Effect]
        /// Mean lengths of the parts of the learned directions, in the row space of the output projection and its kernel.
        public var rowNorm: Double
        public var nullNorm: Double
        /// Mean |cos| of source - base with each part.
        public var readsRow: Double
        public var readsNull: Double
    }

    public var model: String
    /// How many layers the model has.
    public var layers: Int
    public var pairs: Int
    public var options: [String: Double]
    public var cleanDifference: Double
    public var rows: [Row]
}
