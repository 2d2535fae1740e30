import Foundation
import SutureRepair
import SutureTensor

extension Report {
    /// What an evaluation looked at beside single repairs.
    static func studies(_ task: EvaluationSummary.Task) -> [Block] {
        var blocks: [Block] = []
        let heldOut = task.rows.filter { $0.heldOutTokens != nil }
        if !heldOut.isEmpty {
            blocks.append(
                .table(
                    Table(
                        caption:
                            "On the last fifth of the questions, held out: change of right tokens (EM-APD, points), of BLEU "
                            + "(BLEU-RPD, %)",
                        columns: ["method", .number("EM-APD"), .number("BLEU-RPD")],
                        rows: heldOut.map { row in
                            let changes = [row.heldOutTokens, row.heldOutBLEU]
                            return [Table.Cell(row.method ?? "")] + changes.map { $0.map(share) ?? Table.Cell("–") }
                        })))
        }
        if !task.successions.isEmpty {
            blocks += [
                .table(successions(task.successions)),
                .onPages([.table(stops(task.successions)), .plot(standing(task.successions))])
            ]
        }
        if !task.matrices.isEmpty {
            blocks += [
                .table(matrices(task.matrices)),
                .paragraph(
                    "A rule is an intent whose answer the model knows, a context is a set of examples before it. A wrong token is "
                        + "trained in at one cell, and the cell is repaired. Generalisation: of the same rule's other cells that "
                        + "broke, the share that is right again. Specificity: of other rules in the same context that were right, "
                        + "the share that still is.")
            ]
        }
        return blocks
    }

    /// What repairs one on top of the other come to.
    private static func successions(_ all: [EvaluationSummary.Succession]) -> Table {
        Table(
            caption:
                "One on top of the other, %: still right of the fixed ones; right in other words; near misses answered as "
                + "before. Perplexity on unrelated text, seconds a failure",
            columns: [
                "method", .number("tried"), .number("fixed"), .number("right"), .number("words"), .number("near"),
                .number("perplexity"), .number("seconds")
            ],
            rows: all.flatMap { succession in
                succession.stops.map { stop in
                    let shares = [stop.standing, stop.paraphrased, stop.kept].map { share in
                        Table.Cell(share.map { points($0.value) } ?? "–")
                    }
                    return [.init(succession.method), .init("\(stop.tried)"), .init("\(stop.fixed)")] + shares + [
                        .init(String(format: "%.4f", stop.perplexityRatio.value)), .init(Numeral.short(stop.seconds))
                    ]
                }
            })
    }

    /// The same with intervals, and how much is changed.
    private static func stops(_ all: [EvaluationSummary.Succession]) -> Table {
        Table(
            caption: "The same, with intervals, and the numbers that are changed",
            columns: [
                "method", .number("tried"), .number("still right, %"), .number("other words, %"),
                .number("near misses, %"), .number("perplexity ratio"), .number("numbers"), .number("norm")
            ],
            rows: all.flatMap { succession in
                succession.stops.map { stop in
                    [
                        .init(succession.method), .init("\(stop.tried)"), share(stop.standing),
                        stop.paraphrased.map(share) ?? "–", stop.kept.map(share) ?? "–", number(stop.perplexityRatio),
                        .init("\(stop.numbers)"), .init(Numeral.short(stop.norm))
                    ]
                }
            })
    }

    private static func standing(_ all: [EvaluationSummary.Succession]) -> Plot {
        Plot(
            caption: "Repairs that still stand", x: .init("failures tried", isLogarithmic: true),
            y: .init("still right, % of fixed"),
            series: all.map { succession in
                .init(
                    succession.method,
                    points: succession.stops.map { .init(Double($0.tried), 100 * $0.standing.value) }, isLine: true)
            })
    }

    private static func matrices(_ all: [EvaluationSummary.Matrix]) -> Table {
        Table(
            caption: "Rules and contexts, %",
            columns: [
                "method", .number("cells"), .number("fixed"), .number("generalisation"), .number("specificity"),
                .number("gap, row"), .number("gap, column")
            ],
            rows: all.map { matrix in
                [
                    .init(matrix.method), .init("\(matrix.produced) of \(matrix.cells)"), share(matrix.fixed),
                    share(matrix.generalisation), share(matrix.specificity), number(matrix.rowGap),
                    number(matrix.columnGap)
                ]
            })
    }
}
