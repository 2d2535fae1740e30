import SutureTasks
import SutureTensor

extension EvaluationSummary {
    /// What each method does with the failures of one kind: most failures of a list may be easy ones.
    public struct Stratum: Sendable, Codable {
        /// The kind, in words.
        public var name: String
        public var failures: Int
        public var rows: [Row]

        /// One method.
        public struct Row: Sendable, Codable {
            public var method: String
            /// The share of failures that are fixed, and of these, of variants that come out right.
            public var fixed: Estimate
            public var carriedOver: Estimate
        }
    }
}

extension EvaluationSummary.Stratum {
    init(
        _ name: String, _ failures: [AskedRecord], _ methods: [String],
        repair: (_ question: Int, _ method: Int) -> RepairRecord?
    ) {
        self.name = name
        self.failures = failures.count
        rows = methods.enumerated().map { number, method in
            let repairs = failures.compactMap { repair($0.question, number) }
            let fixed = repairs.filter(\.isFixed)
            return Row(
                method: method, fixed: Estimate(fixed.count, of: repairs.count),
                carriedOver: EvaluationSummary.Row.carriedOver(fixed.map(\.variants)))
        }
    }

    /// The kinds that failures are of; each may be of several, and those of none are left out.
    static func all(of failures: [AskedRecord]) -> [(name: String, failures: [AskedRecord])] {
        func tool(_ record: AskedRecord) -> Substring {
            TaskSet.Task(intent: "", code: Answer(record.expected).text).tool
        }
        let counts = Dictionary(grouping: failures, by: tool).mapValues(\.count)
        // Of equal ones the first of the alphabet, so that it is the same every time.
        let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
        let kinds = [
            ("wrong from the first token on", failures.filter { $0.firstWrong == 0 }),
            ("right at first, wrong later", failures.filter { $0.firstWrong > 0 })
        ]
        let others = most.map { most in
            [("without the most frequent, \(most.key)", failures.filter { tool($0) != most.key })]
        }
        return (kinds + (others ?? [])).filter { !$0.1.isEmpty && $0.1.count < failures.count }
    }
}
