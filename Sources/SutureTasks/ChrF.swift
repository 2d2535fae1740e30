/// chrF of answers against one reference each, from 0 to 100 (Popović 2015): F2 of precision and recall of the runs of
/// 1...6 characters, white space left out, each averaged over the orders that both texts have.
///
/// Characters are Unicode scalars, and the figures are sacrebleu's.
public enum ChrF {
    /// What is counted of answers; the counts of a corpus are the sums.
    public struct Counts: Sendable, Codable, Equatable {
        /// For n = 1...6, the n-grams of answers and of references, and those that are in both.
        public var answer = [Int](repeating: 0, count: 6)
        public var reference = [Int](repeating: 0, count: 6)
        public var matches = [Int](repeating: 0, count: 6)

        /// Of no answers yet.
        public init() {}

        /// Adds the counts of other answers.
        public static func += (counts: inout Counts, more: Counts) {
            for order in counts.matches.indices {
                counts.answer[order] += more.answer[order]
                counts.reference[order] += more.reference[order]
                counts.matches[order] += more.matches[order]
            }
        }
    }

    /// The counts of one answer.
    public static func counts(_ answer: String, _ reference: String) -> Counts {
        let (answer, reference) = (scalars(answer), scalars(reference))
        var counts = Counts()
        for order in 1...6 {
            let (mine, its) = (NGrams(answer, order: order), NGrams(reference, order: order))
            // What the reference is too short for is not held against the answer.
            counts.answer[order - 1] = its.total > 0 ? mine.total : 0
            counts.reference[order - 1] = its.total
            counts.matches[order - 1] = mine.matches(its)
        }
        return counts
    }

    /// The score of one answer.
    public static func sentence(_ answer: String, _ reference: String) -> Double {
        corpus([counts(answer, reference)])
    }

    /// The score of a corpus, of the counts of its answers together.
    public static func corpus(_ counts: some Sequence<Counts>) -> Double {
        var sum = Counts()
        for each in counts { sum += each }
        let orders = sum.matches.indices.filter { sum.answer[$0] > 0 && sum.reference[$0] > 0 }
        guard !orders.isEmpty else { return 0 }
        func mean(_ totals: [Int]) -> Double {
            orders.reduce(0) { $0 + Double(sum.matches[$1]) / Double(totals[$1]) } / Double(orders.count)
        }
        let (precision, recall) = (mean(sum.answer), mean(sum.reference))
        guard precision + recall > 0 else { return 0 }
        return 100 * 5 * precision * recall / (4 * precision + recall)
    }

    private static func scalars(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { !WordTokenization.isSpace($0) }
    }
}
