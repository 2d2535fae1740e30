import Foundation
import SutureRepair

extension Report {
    /// What became of tasks whose answers were run, in a line for each.
    static func checkTable(_ checks: [CheckOutcome]) -> Table {
        Table(
            caption: "Answers that were run",
            columns: ["", "prompt", .code("answer"), "from", .number("tried"), .number("held out, before and now")],
            rows: checks.map { check in
                let count = check.heldOut.count
                let before = check.heldOut.count(where: \.passedBefore)
                return [
                    .init(name(check.verdict), highlight: tone(check.verdict)), .init(asked(check.prompt)),
                    .init(check.answer ?? check.before), .init(check.source?.rawValue ?? "-"),
                    .init("\(check.tried)"),
                    .init(count == 0 ? "-" : "\(before) and \(check.heldOutPasses) of \(count)")
                ]
            })
    }

    /// The same for a page: each with what was wrong, and every held-out wording.
    static func checkBlocks(_ checks: [CheckOutcome]) -> [Block] {
        var blocks: [Block] = [.heading("Answers that were run"), .table(checkTable(checks))]
        for check in checks {
            var facts = [Fact("Prompt", Visible.ended(Visible.excerpt(check.prompt)))]
            if let fault = check.fault { facts.append(Fact("Fault before", fault)) }
            if let fault = check.faultAfter { facts.append(Fact("Fault now", fault)) }
            if let after = check.after { facts.append(Fact("Written now", Visible.label(after))) }
            facts += check.heldOut.map {
                Fact(
                    $0.name,
                    "\($0.passes ? "passes" : "does not pass")\($0.passedBefore ? ", passed before" : ""): "
                        + Visible.label(Visible.excerpt($0.written)))
            }
            blocks.append(.facts(facts))
        }
        return blocks
    }

    /// What the checks come to, in a sentence; nil where none was repaired.
    static func checkSentence(_ checks: [CheckOutcome]) -> String? {
        let repaired = checks.filter { ![.right, .unsolved, .abandoned].contains($0.verdict) }
        guard !repaired.isEmpty else { return nil }
        let variants = repaired.flatMap(\.heldOut)
        let held =
            variants.isEmpty
            ? "" : "; of the held-out wordings \(variants.count(where: \.passes)) of \(variants.count) pass"
        if checks.count == 1, let only = repaired.first {
            let free = only.isPassing ? "The free answer passes" : "The free answer does not pass"
            return free + held + verdictWords(only.verdict) + "."
        }
        let passing = repaired.count(where: \.isPassing)
        let adopted = repaired.count { $0.verdict == .adopted }
        return "\(passing) of \(repaired.count) free answers pass\(held); \(adopted) adopted."
    }

    private static func verdictWords(_ verdict: CheckOutcome.Verdict) -> String {
        switch verdict {
        case .adopted: ": adopted"
        case .workaround: ": a workaround for these words"
        default: ""
        }
    }

    private static func name(_ verdict: CheckOutcome.Verdict) -> String {
        switch verdict {
        case .right: "right already"
        case .adopted: "adopted"
        case .workaround: "workaround"
        case .passes: "passes"
        case .failing: "does not pass"
        case .unsolved: "no answer passes"
        case .abandoned: "not repaired"
        }
    }

    private static func tone(_ verdict: CheckOutcome.Verdict) -> Tone {
        switch verdict {
        case .right: .neutral
        case .adopted, .passes: .good
        case .workaround: .mixed
        case .failing, .unsolved, .abandoned: .bad
        }
    }
}
