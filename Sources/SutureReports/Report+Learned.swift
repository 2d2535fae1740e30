import Foundation
import SutureSubspaces

extension Report {
    /// How well illusions are told from mediators where directions were learned, and thresholds of one family on others.
    public init(_ study: LearnedStudy) throws {
        let families = study.families
        func auc(_ family: LearnedStudy.Family, _ value: (LearnedStudy.Direction) -> Double) -> Table.Cell {
            study.auc(family, value).map { .init(Self.interval($0)) } ?? "–"
        }
        let found = families.compactMap { family in
            study.auc(family) { $0.score.value }.map { String(format: "%@ %.3f", family.rawValue, $0.value) }
        }
        let dropped = study.dropped.filter { $0.value > 0 }.map { "\($0.value) of the \($0.key) networks" }.sorted()
        try self.init(
            title: "Planted illusions, learned directions", subtitle: families.map(\.rawValue).joined(separator: ", "),
            verdict: .init(
                .neutral,
                found.isEmpty
                    ? "No family has directions of both sorts."
                    : "AUC of the evidence: \(found.joined(separator: ", "))."),
            schema: "suture.planted-learned/1", data: study,
            blocks: [
                .paragraph(
                    "Assembled: random transformers of two to four layers with a circuit put in by hand; a direction is "
                        + "illusory if less than half of its effect is read from and written to the channels by which the "
                        + "feature passes. Trained: small transformers that learned two questions, one that their MLP has to "
                        + "compute and one in which its output was another prompt's, or nothing; a direction is illusory if the margin is there "
                        + "without the MLP. In both DAS learned the direction from a random start. Constructed: the networks and "
                        + "directions of `suture reproduce planted`. No check is told the truth."
                ),
                .table(Self.networks(study)),
                .table(
                    Table(
                        caption: "AUC, with 95% intervals from resampled networks",
                        columns: ["check"] + families.map { .number($0.rawValue) },
                        rows: [["the evidence"] + families.map { auc($0) { $0.score.value } }]
                            + LearnedStudy.Check.allCases.map { check in
                                [.init(check.rawValue)]
                                    + families.map { family in
                                        let isMeasured = study.judged(family).contains {
                                            $0.checks[check.rawValue] != nil
                                        }
                                        return isMeasured ? auc(family) { $0.value(check) } : "–"
                                    }
                            })),
                .table(Self.matrix(study, "Threshold of the evidence, from one family on another") { $0.score.value }),
                .table(
                    Self.matrix(study, "Threshold of the row test alone, from one family on another") {
                        $0.value(.row)
                    }),
                .facts([
                    Fact(
                        "Dropped, as the truth could not be told",
                        dropped.isEmpty ? "none" : dropped.joined(separator: ", "))
                ])
            ])
    }

    /// What the families hold, kind by kind.
    private static func networks(_ study: LearnedStudy) -> Table {
        let rows = study.families.flatMap { family in
            study.kinds(family).map { kind in
                let all = study.directions.filter { $0.family == family && $0.kind == kind }
                let judged = study.judged(family, kind: kind)
                let inert = all.compactMap(\.inert)
                func mean(_ values: [Double]) -> Table.Cell {
                    .init(values.isEmpty ? "–" : String(format: "%.2f", Bootstrap.mean(values)))
                }
                return [
                    .init("\(family.rawValue): \(kind)"), .init("\(all.count)"),
                    .init("\(all.count { $0.effect >= LearnedStudy.leastEffect })"),
                    .init(judged.isEmpty ? "–" : "\(judged.count { $0.isIllusory == true })"),
                    mean(all.map(\.effect)), mean(inert),
                    .init(
                        judged.isEmpty
                            ? "–"
                            : percent(
                                Bootstrap.mean(
                                    judged.map {
                                        ($0.score.value > DormancyScore.threshold) == $0.isIllusory ? 1 : 0
                                    })))
                ]
            }
        }
        return Table(
            caption: "Directions: effect is FLDD on pairs that nothing was learned from",
            columns: [
                "networks", .number("directions"), .number("control the output"), .number("of these illusory"),
                .number("mean effect"), .number("learned from nothing"),
                .number(String(format: "right at %.2f", DormancyScore.threshold))
            ], rows: rows)
    }

    /// Thresholds from one half of a family's networks, tried on the other half of each family.
    private static func matrix(
        _ study: LearnedStudy, _ caption: String, _ value: @escaping (LearnedStudy.Direction) -> Double
    ) -> Table {
        Table(
            caption: caption + ": right, the mean of both sorts",
            columns: ["from", .number("threshold")] + study.families.map { .number("on \($0.rawValue)") },
            rows: study.families.compactMap { family in
                guard let threshold = study.threshold(family, value) else { return nil }
                return [.init(family.rawValue), .init(String(format: "%.3f", threshold))]
                    + study.families.map { other in
                        study.right(other, above: threshold, value).map { .init(percent($0)) } ?? "–"
                    }
            })
    }

    private static func interval(_ estimate: Estimate) -> String {
        String(format: "%.3f (%.3f–%.3f)", estimate.value, estimate.low, estimate.high)
    }
}
