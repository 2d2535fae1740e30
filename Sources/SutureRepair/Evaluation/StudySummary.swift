import Foundation
import SutureTasks
import SutureTensor

extension EvaluationSummary {
    /// What the repairs of a task's failures, one on top of the other, came to by one method.
    public struct Succession: Sendable, Codable {
        public var method: String
        public var stops: [Stop]

        /// After some of the failures.
        public struct Stop: Sendable, Codable {
            public var tried: Int
            public var fixed: Int
            /// The share of the fixed ones that are still right.
            public var standing: Estimate
            /// Of all that were tried, the share that comes out right in somebody else's words; nil where there are none.
            public var paraphrased: Estimate?
            /// The share of near misses that are answered as the original model does; nil where there are none.
            public var kept: Estimate?
            /// Perplexity on unrelated text, relative to the original model's; from resampling the texts.
            public var perplexityRatio: Estimate
            /// Seconds for each failure that was tried.
            public var seconds: Double
            /// How many numbers are changed, and by what norm.
            public var numbers: Int
            public var norm: Double
        }
    }

    /// Generalisation and specificity of one method, from the matrix of rules and contexts.
    public struct Matrix: Sendable, Codable {
        public var method: String
        /// How many cells there are, and in how many the fault could be trained in; the shares are of these.
        public var cells: Int
        public var produced: Int
        public var fixed: Estimate
        /// Of the cells in the same row that the fault broke, the share that is right again.
        public var generalisation: Estimate
        /// Of the cells in the same column that were right with the fault, the share that is right still.
        public var specificity: Estimate
        /// The mean change of |P(right) - P(most likely)| in the row and in the column; less is better.
        public var rowGap: Estimate
        public var columnGap: Estimate
    }
}

extension EvaluationSummary.Succession {
    init?(_ method: String, _ records: [SuccessionRecord]) {
        guard !records.isEmpty else { return nil }
        self.method = method
        stops = records.sorted { $0.tried < $1.tried }.map { record in
            let columns = [
                record.texts.map { $0.before - $0.now }, record.texts.map { Double($0.tokens) }
            ]
            return Stop(
                tried: record.tried, fixed: record.fixed, standing: Estimate(record.standing, of: record.fixed),
                paraphrased: Estimate(record.paraphrased), kept: Estimate(record.kept),
                perplexityRatio: Bootstrap.estimate(columns) { $0[1] > 0 ? exp($0[0] / $0[1]) : 1 },
                seconds: record.seconds / Double(max(1, record.tried)), numbers: record.numbers, norm: record.norm)
        }
    }
}

extension Estimate {
    fileprivate init?(_ share: SuccessionRecord.Share) {
        guard share.of > 0 else { return nil }
        self.init(share.count, of: share.of)
    }
}

extension EvaluationSummary.Matrix {
    init?(_ method: String, _ all: [CellRecord]) {
        guard !all.isEmpty else { return nil }
        // In the order of the matrix: intervals must not depend on that of the log.
        let records = all.filter(\.isProduced).sorted { ($0.rule, $0.context) < ($1.rule, $1.context) }
        self.method = method
        cells = all.count
        produced = records.count
        fixed = Estimate(records.count(where: \.isFixed), of: records.count)
        // What one repair does to a row or a column is one case.
        func ratio(_ counts: (CellRecord) -> (part: Int, whole: Int)) -> Estimate {
            let each = records.map(counts)
            guard each.contains(where: { $0.whole > 0 }) else { return Estimate(0, low: 0, high: 1) }
            return Bootstrap.estimate([each.map { Double($0.part) }, each.map { Double($0.whole) }]) {
                $0[1] > 0 ? $0[0] / $0[1] : 0
            }
        }
        generalisation = ratio { cell in
            let broken = cell.row.filter { $0.before.rank > 1 }
            return (broken.count { $0.after.rank == 1 }, broken.count)
        }
        specificity = ratio { cell in
            let right = cell.column.filter { $0.before.rank == 1 }
            return (right.count { $0.after.rank == 1 }, right.count)
        }
        func gap(_ changes: (CellRecord) -> [CellRecord.Change]) -> Estimate {
            Bootstrap.estimate(
                mean: records.map { Bootstrap.mean(changes($0).map { $0.after.gap - $0.before.gap }) })
        }
        rowGap = gap(\.row)
        columnGap = gap(\.column)
    }
}

/// The side effects on held-out questions, one figure for each repair.
extension RepairRecord.Comparison {
    /// EM-APD: how the share of right tokens changes, absolutely.
    var exactMatchChange: Double { after.tokens - before.tokens }
    /// BLEU-RPD: how BLEU changes, relative to before.
    var bleuChange: Double {
        let (old, new) = (BLEU.corpus([before.bleu]), BLEU.corpus([after.bleu]))
        return old > 0 ? (new - old) / old : 0
    }
}
