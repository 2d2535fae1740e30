import Foundation
import SutureCore
import SutureRepair

extension Report {
    /// What became of failures that a rule was not made from, in a line for each.
    static func unseenTable(_ unseen: [RuleRepair.Unseen]) -> Table {
        Table(
            caption: "Failures of the kind that the repair did not see",
            columns: ["", "prompt", .code("expected"), .code("before"), .code("now"), .number("tokens right")],
            rows: unseen.map { failure in
                let (status, tone): (String, Tone) =
                    switch (failure.before.isRight, failure.after.isRight) {
                    case (false, true): ("right now", .good)
                    case (true, true): ("right already", .neutral)
                    case (false, false): ("still wrong", .bad)
                    case (true, false): ("wrong now", .bad)
                    }
                return [
                    .init(status, highlight: tone), .init(asked(failure.prompt)), .init(failure.expected),
                    .init(failure.before.written), .init(failure.after.written),
                    .init("\(failure.before.rightTokens), \(failure.after.rightTokens) of \(failure.after.tokens)")
                ]
            })
    }

    /// What a rule comes to, in a sentence; nil where nothing was held out.
    static func unseenSentence(_ unseen: [RuleRepair.Unseen]) -> String? {
        guard !unseen.isEmpty else { return nil }
        let (before, now) = (unseen.count(where: \.before.isRight), unseen.count(where: \.after.isRight))
        let share = Estimate(now, of: unseen.count)
        let whole = String(
            format: "Of %d unseen failures of the kind %d are right now (%.0f%% to %.0f%%), %d before",
            unseen.count, now, 100 * share.low, 100 * share.high, before)
        func sum(_ count: (RuleRepair.Unseen) -> Int) -> Int { unseen.reduce(0) { $0 + count($1) } }
        let lost = sum(\.lost)
        return whole + "; of the mistakes that an example had \(sum(\.sharedRight)) of \(sum(\.shared)) are gone; "
            + (lost == 1 ? "1 token that was right is not." : "\(lost) tokens that were right are not.")
    }
}
