import Foundation
import SutureTensor

/// BLEU-4 of answers against one reference each, from 0 to 100 (Papineni et al. 2002).
///
///     BLEU = BP exp(1/4 sum_n ln p_n),   BP = min(1, exp(1 - r / h))
///
/// p_n are the shares of the answers' n-grams that are in the reference, at most as often as there; h and r are the
/// lengths of answers and references. The k-th order without a match counts as p_n = 1 / (2^k total) (exponential
/// smoothing, Chen & Cherry 2014), as in sacrebleu, whose figures these are.
public struct BLEU: Sendable {
    public var tokenization = WordTokenization.v13a

    /// The metric with its split into words.
    public init(_ tokenization: WordTokenization = .v13a) { self.tokenization = tokenization }

    /// What is counted of answers; the counts of a corpus are the sums.
    public struct Counts: Sendable, Codable, Equatable {
        /// For n = 1...4, the n-grams of the answers, and those that are right.
        public var totals = [0, 0, 0, 0]
        public var matches = [0, 0, 0, 0]
        /// The lengths of answers and references, in words.
        public var length = 0
        public var referenceLength = 0

        /// Of no answers yet.
        public init() {}

        fileprivate var columns: [Double] { (totals + matches + [length, referenceLength]).map(Double.init) }

        /// Adds the counts of other answers.
        public static func += (counts: inout Counts, more: Counts) {
            for order in counts.totals.indices {
                counts.totals[order] += more.totals[order]
                counts.matches[order] += more.matches[order]
            }
            counts.length += more.length
            counts.referenceLength += more.referenceLength
        }
    }

    /// The counts of one answer.
    public func counts(_ answer: String, _ reference: String) -> Counts {
        let (answer, reference) = (tokenization.exactWords(answer), tokenization.exactWords(reference))
        var counts = Counts()
        counts.length = answer.count
        counts.referenceLength = reference.count
        for order in 1...4 {
            let grams = NGrams(answer, order: order)
            counts.totals[order - 1] = grams.total
            counts.matches[order - 1] = grams.matches(NGrams(reference, order: order))
        }
        return counts
    }

    /// The score of a corpus, of the counts of its answers together.
    public static func corpus(_ counts: some Sequence<Counts>) -> Double {
        var sum = Counts()
        for each in counts { sum += each }
        return score(sum.columns, orders: 4)
    }

    /// The score of a corpus, with an interval from resampling its answers.
    public static func estimate(_ counts: [Counts]) -> Estimate {
        guard !counts.isEmpty else { return Estimate(0, low: 0, high: 100) }
        let rows = counts.map(\.columns)
        return Bootstrap.estimate(rows[0].indices.map { column in rows.map { $0[column] } }) { means in
            score(means.map { $0 * Double(counts.count) }, orders: 4)
        }
    }

    /// The score of one answer; the orders that are longer than it are left out.
    public func sentence(_ answer: String, _ reference: String) -> Double {
        let counts = counts(answer, reference)
        return Self.score(counts.columns, orders: counts.totals.count { $0 > 0 })
    }

    /// The score of `[4 totals, 4 matches, length, reference's length]`.
    private static func score(_ columns: [Double], orders: Int) -> Double {
        let (totals, matches) = (columns[..<orders], columns[4..<4 + orders])
        guard columns[4..<8].contains(where: { $0 > 0 }), totals.allSatisfy({ $0 > 0 }) else { return 0 }
        var divisor = 1.0
        var logarithms = 0.0
        for (match, total) in zip(matches, totals) {
            if match == 0 { divisor *= 2 }
            logarithms += log((match == 0 ? 1 / divisor : match) / total)
        }
        let brevity = min(0, 1 - columns[9] / columns[8])
        return 100 * exp(brevity + logarithms / Double(orders))
    }
}
