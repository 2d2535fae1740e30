import Foundation
import SutureRepair

extension Report {
    /// The page of a detection: how many answers are right, and the wrong ones side by side with what they should be;
    /// `isMet` says whether these are enough, where that was asked.
    public init(_ detection: Detection, title: String, isMet: Bool? = nil) throws {
        let wrong = detection.answers.filter { !$0.isRight }
        let shown = 10
        let right = detection.answers.count - wrong.count
        let more = wrong.count > shown ? "The first \(shown) wrong answers" : "The wrong answers"
        try self.init(
            title: title,
            verdict: Verdict(
                isMet.map { $0 ? .good : .bad } ?? .neutral,
                "\(right) of \(detection.answers.count) answers are right under greedy decoding."),
            schema: "suture.detection/1", data: Page(detection, met: isMet),
            blocks: [
                .facts(
                    [
                        Fact("Exact match", String(format: "%.1f%%", 100 * detection.exactMatch)),
                        Fact(
                            "Token accuracy, teacher forcing",
                            String(format: "%.1f%%", 100 * detection.tokenAccuracy)
                        )
                    ]
                        + (detection.unasked > 0
                            ? [Fact("Not asked, longer than the context or not to be split", "\(detection.unasked)")]
                            : []))
            ]
                + (wrong.isEmpty
                    ? []
                    : [
                        .table(
                            Table(
                                caption: more, columns: [.code("expected"), .code("written")],
                                rows: wrong.prefix(shown).map { [.init($0.expected), .init($0.written)] }))
                    ]))
    }

    /// The page of test cases: how many are met, and those that are not; with `culprits` for each of these the patches that
    /// have to go for it to be met, nil for faults of the model itself.
    public init(testing detection: Detection, culprits: [[String]?]? = nil, title: String) throws {
        var blamed = culprits?.makeIterator()
        try self.init(
            testing: detection.answers.map {
                var one = Case(prompt: $0.prompt, expected: $0.expected, written: $0.written, met: $0.isRight)
                if !one.met, let found = blamed?.next() {
                    one.blamed = Blamed(patches: found ?? [], model: found == nil)
                }
                return one
            }, unasked: detection.unasked, title: title)
    }

    /// The page of test cases that something else judged.
    public init(testing judged: JudgedAnswers, title: String) throws {
        try self.init(
            testing: judged.answers.map { Case(prompt: $0.prompt, expected: nil, written: $0.written, met: $0.isMet) },
            unasked: judged.unasked, title: title)
    }

    private init(testing cases: [Case], unasked: Int, title: String) throws {
        let wrong = cases.filter { !$0.met }
        let count = cases.count + unasked
        let isExpected = cases.contains { $0.expected != nil }
        let table = Table(
            caption: "Not met",
            columns: ["prompt"] + (isExpected ? [.code("expected")] : []) + [.code("written")]
                + (cases.contains { $0.blamed != nil } ? ["to blame"] : []),
            rows: wrong.map {
                [.init($0.prompt)] + ($0.expected.map { [.init($0)] } ?? []) + [.init($0.written)]
                    + ($0.blamed.map { [.init($0.model ? "the model itself" : $0.patches.joined(separator: ", "))] }
                        ?? [])
            })
        let missing = Block.paragraph(
            "Not asked, longer than the model's context or not to be split into tokens: \(unasked).")
        let isMet = wrong.isEmpty && unasked == 0
        try self.init(
            title: title,
            verdict: Verdict(isMet ? .good : .bad, "\(count - wrong.count - unasked) of \(count) cases are met."),
            schema: "suture.test/1", data: Cases(met: isMet, unasked: unasked, cases: cases),
            blocks: (wrong.isEmpty ? [] : [.table(table)]) + (unasked > 0 ? [missing] : []))
    }

    private struct Case: Encodable, Sendable {
        let prompt: String
        let expected: String?
        let written: String
        let met: Bool
        var blamed: Blamed?
    }

    /// Who is to blame for a case that is not met.
    private struct Blamed: Encodable, Sendable {
        /// The patches without which it is met.
        let patches: [String]
        /// Whether there are no such patches: the model itself answers so.
        let model: Bool
    }

    private struct Cases: Encodable, Sendable {
        let met: Bool
        let unasked: Int
        let cases: [Case]
    }

    private struct Page: Encodable, Sendable {
        let met: Bool?
        let right: Int
        let wrong: Int
        let exactMatch: Double
        let tokenAccuracy: Double
        let unasked: Int
        let answers: [Detection.Answer]

        init(_ detection: Detection, met: Bool?) {
            self.met = met
            right = detection.answers.count(where: \.isRight)
            wrong = detection.answers.count - right
            exactMatch = detection.exactMatch
            tokenAccuracy = detection.tokenAccuracy
            unasked = detection.unasked
            answers = detection.answers
        }
    }
}
