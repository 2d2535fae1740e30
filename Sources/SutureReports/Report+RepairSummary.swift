import Foundation
import SutureRepair
import SutureTasks

extension Report {
    /// What became of each failure, in a line for each.
    static func outcomes(_ repair: RepairReport) -> Table {
        let isList = repair.failures.count > 1
        return Table(
            columns: ["", "prompt", .code("expected"), .code("before")],
            rows: repair.failures.enumerated().map { index, outcome in
                let (status, tone): (String, Tone) =
                    switch outcome.status {
                    case .fixed: ("fixed", .good)
                    case .right: ("right", .neutral)
                    case .abandoned: ("not fixed", .bad)
                    }
                return [
                    .init(isList ? "\(index + 1). \(status)" : status, highlight: tone), .init(asked(outcome.prompt)),
                    .init(outcome.expected), .init(outcome.before)
                ]
            })
    }

    /// The parts of the model that were changed for a failure.
    static func changed(_ outcome: RepairReport.FailureOutcome) -> [String] {
        outcome.neurons.map(\.description) + outcome.layers.map { "output projection of mlp.\($0)" }
    }

    /// How it was done, for a page; in a terminal only what one would miss.
    static func circumstances(_ repair: RepairReport, isBrief: Bool) -> [Fact] {
        var facts: [Fact] = []
        if !isBrief {
            facts = [
                Fact("Model", repair.model), Fact("Method", "\(repair.method) (\(optionList(repair.options)))")
            ]
        }
        if let earlier = repair.earlier {
            facts.append(
                Fact(
                    "Earlier repairs",
                    "\(earlier.held) of \(earlier.asked) answers that the model's patches repaired still come out"))
        }
        if let cases = repair.guardCases {
            let missed = cases.missed.map(asked).joined(separator: "; ")
            facts.append(
                Fact(
                    "Guard cases",
                    "\(cases.held) of \(cases.asked) are met, before and after"
                        + (missed.isEmpty ? "" : "; not met before, so they guard nothing: \(missed)")))
        }
        if isBrief {
            for (index, outcome) in repair.failures.enumerated() {
                let which = repair.failures.count > 1 ? " \(index + 1)" : ""
                if let reason = outcome.reason { facts.append(Fact("Not fixed\(which)", reason)) }
                facts += outcome.notes.map { Fact("Note\(which)", $0) }
            }
        }
        return facts + [Fact("Time", String(format: "%.1f s", repair.seconds))]
    }

    /// What a prompt asks, on one line: its last line of several words, without the marks of a chat, and its end where it is
    /// long.
    static func asked(_ prompt: String) -> String {
        let plain = prompt.replacing(/<\|[^|<>]*\|>/, with: "")
        let lines = plain.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }
        let words = lines.last { $0.trimmingCharacters(in: .whitespaces).contains(" ") } ?? lines.last
        guard let words else { return Visible.ended(prompt) }
        let line = plain.contains(where: \.isNewline) ? words.trimmingCharacters(in: .whitespaces) : String(words)
        return Visible.ended(line.count > 40 ? "..." + line.suffix(37) : line)
    }
}
