import Foundation
import SutureRepair
import SutureTensor

extension Report {
    /// The page of an evaluation: what each method fixes, how it generalizes, what else changes, and what it costs.
    public init(_ summary: EvaluationSummary) throws {
        var blocks: [Block] = []
        for task in summary.tasks {
            blocks.append(.heading(task.name))
            if task.asked > 0 { blocks += Self.singleRepairs(task) }
            blocks += Self.studies(task)
        }
        blocks += [
            .heading("How"),
            .facts(
                [
                    Fact("Model", summary.settings.model),
                    Fact("Unit of repair", summary.settings.firstToken ? "the first wrong token" : "the whole answer")
                ]
                    + summary.settings.methods.map { Fact($0.name, Self.optionList($0.options)) }
                    + [
                        Fact(
                            "Intervals",
                            "95%: Wilson's for rates and shares, percentiles of 1000 resamples of the failures for means"
                        )
                    ])
        ]
        let attempts = summary.tasks.flatMap { $0.rows.dropFirst().map(\.failures) }.reduce(0, +)
        let best = summary.tasks.compactMap { task in
            task.asked == 0
                ? Self.lastStops(task)
                : task.rows.dropFirst().max { $0.fixed.value < $1.fixed.value }.map { row in
                    "\(task.name): \(row.method ?? "") fixes \(Self.percent(row.fixed.value))"
                }
        }
        try self.init(
            title: "Methods of repair on \(summary.settings.model)",
            verdict: Verdict(.neutral, best.isEmpty ? "\(attempts) repairs." : best.joined(separator: "; ") + "."),
            schema: "suture.evaluation/3", data: summary, blocks: blocks)
    }

    /// Each failure by itself.
    private static func singleRepairs(_ task: EvaluationSummary.Task) -> [Block] {
        let text =
            "The original model answers \(task.right) of \(task.asked) questions rightly"
            + (task.unasked > 0 ? "; \(task.unasked) do not fit its context" : "")
            + ". Each other answer is repaired by each method, always from the original model."
        return [
            .paragraph(text), .table(overview(task)), .table(answers(task)),
            .onPages(
                [.table(effects(task))] + (task.pairs.isEmpty ? [] : [.table(pairs(task))])
                    + [.table(costs(task)), .table(variants(task))] + strata(task) + plots(task).map(Block.plot))
        ]
    }

    /// What was left at the end of repairs one on top of the other; nil where there are none.
    private static func lastStops(_ task: EvaluationSummary.Task) -> String? {
        let ends = task.successions.compactMap { succession in
            succession.stops.last.map { stop in
                let standing = Int((stop.standing.value * Double(stop.fixed)).rounded())
                return "after \(stop.tried) failures \(standing) repairs of \(succession.method) stand"
            }
        }
        return ends.isEmpty ? nil : "\(task.name): \(ends.joined(separator: ", "))"
    }

    private static func name(_ row: EvaluationSummary.Row) -> Table.Cell { .init(row.method ?? "original") }

    static func share(_ estimate: Estimate) -> Table.Cell {
        // Of no cases, nothing is known.
        guard estimate != Estimate(0, of: 0) else { return "–" }
        return .init("\(points(estimate.value)) (\(range(estimate)))")
    }

    static func number(_ estimate: Estimate) -> Table.Cell {
        let (low, high) = (Numeral.short(estimate.low), Numeral.short(estimate.high))
        return .init("\(Numeral.short(estimate.value)) (\(low) … \(high))")
    }

    /// What methods are compared by.
    private static func overview(_ task: EvaluationSummary.Task) -> Table {
        Table(
            caption:
                "Failures fixed, %; put otherwise, still right, %; false positives, % of near questions; KL elsewhere, nats; "
                + "size and seconds of a repair",
            columns: [
                "method", .number("fixed"), .number("other wordings"), .number("false positives"),
                .number("unrelated"), .number("related"), .number("neurons"), .number("numbers"), .number("seconds")
            ],
            rows: task.rows.map { row in
                let rest = [row.unrelated?.value, row.related?.value, row.neurons, row.numbers, row.seconds.value]
                let cells = rest.map { value -> Table.Cell in
                    value.flatMap { row.method == nil ? nil : .init(Numeral.short($0)) } ?? "–"
                }
                let wrong = row.falsePositives.map { Table.Cell(points($0.value)) } ?? "–"
                return [name(row), rounded(row.fixed), rounded(row.carriedOver), wrong] + cells
            })
    }

    private static func rounded(_ share: Estimate) -> Table.Cell {
        guard share != Estimate(0, of: 0) else { return "–" }
        let parts = [share.value, share.low, share.high].map { String(format: "%.0f", 100 * $0) }
        return .init("\(parts[0]) (\(parts[1])…\(parts[2]))")
    }

    /// What a repair does, and what else it changes.
    private static func effects(_ task: EvaluationSummary.Task) -> Table {
        Table(
            caption: "Failures fixed, and paraphrase generalization; of the fixed ones, what else changes",
            columns: [
                "method", .number("failures"), .number("fixed, %"), .number("paraphrases, %"),
                .number("KL unrelated"), .number("other top, %"), .number("KL related"), .number("EM-APD, points"),
                .number("BLEU-RPD, %")
            ],
            rows: task.rows.map { row in
                [
                    name(row), .init("\(row.failures)"), share(row.fixed), share(row.carriedOver),
                    row.unrelated.map(number) ?? "–", row.changedTop.map(share) ?? "–", row.related.map(number) ?? "–",
                    row.heldOutTokens.map(share) ?? "–", row.heldOutBLEU.map(share) ?? "–"
                ]
            })
    }

    /// The same by kinds of failures.
    private static func strata(_ task: EvaluationSummary.Task) -> [Block] {
        guard !task.strata.isEmpty else { return [] }
        return [
            .table(
                Table(
                    caption: "By kinds of failures: fixed, %; put otherwise, still right, %",
                    columns: ["failures", "method", .number("of"), .number("fixed"), .number("other wordings")],
                    rows: task.strata.flatMap { stratum in
                        stratum.rows.map { row in
                            [
                                .init(stratum.name), .init(row.method), .init("\(stratum.failures)"),
                                rounded(row.fixed), rounded(row.carriedOver)
                            ]
                        }
                    }))
        ]
    }

    /// The first method beside each other one.
    private static func pairs(_ task: EvaluationSummary.Task) -> Table {
        let first = task.pairs.first?.method ?? ""
        return Table(
            caption:
                "\(first) beside each other method on the same failures: fixed by both and by one alone; where both fix, how "
                + "much better it generalizes to paraphrases, and what \(first) moves and takes as a multiple of the other "
                + "(below 1: less)",
            columns: [
                "beside", .number("both fix"), .number("only \(first)"), .number("only the other"), .number("p"),
                .number("paraphrases, points"), .number("KL unrelated"), .number("KL related"), .number("seconds")
            ],
            rows: task.pairs.map { pair in
                [
                    .init(pair.other), .init("\(pair.both)"), .init("\(pair.onlyMethod)"), .init("\(pair.onlyOther)"),
                    .init(Numeral.short(pair.p)), pair.carriedOver.map(share) ?? "–",
                    pair.unrelated.map(number) ?? "–", pair.related.map(number) ?? "–", pair.seconds.map(number) ?? "–"
                ]
            })
    }

    /// How large a change is, and how long it takes to find.
    private static func costs(_ task: EvaluationSummary.Task) -> Table {
        Table(
            caption:
                "Size of a change (medians of the fixed), and time of an attempt; a pass is one forward and backward",
            columns: [
                "method", .number("neurons"), .number("numbers"), .number("norm"), .number("seconds"),
                .number("passes"),
                .number("given up")
            ],
            rows: task.rows.dropFirst().map { row in
                [
                    name(row), .init(Numeral.short(row.neurons)), .init(Numeral.short(row.numbers)),
                    .init(Numeral.short(row.norm)), number(row.seconds), number(row.passes), .init("\(row.abandoned)")
                ]
            })
    }

    /// How good the answers are, right or wrong.
    private static func answers(_ task: EvaluationSummary.Task) -> Table {
        Table(
            caption: "Answers under greedy decoding; tokens and perplexity under teacher forcing",
            columns: [
                "method", .number("exact %"), .number("tokens %"), .number("BLEU-4"), .number("chrF"),
                .number("ROUGE-L %"), .number("edit %"), .number("perplexity"), .number("well-formed %")
            ],
            rows: task.rows.map { row in
                let shares = [row.exact, row.tokens].map { Table.Cell(points($0.value)) }
                let scores = [row.bleu.value, row.chrF].map { Table.Cell(decimal($0)) }
                let others = [row.rougeL, row.edit].map { Table.Cell(points($0.value)) }
                return [name(row)] + shares + scores + others
                    + [.init(Numeral.short(row.perplexity)), .init(row.wellFormed.map { points($0.value) } ?? "–")]
            })
    }

    private static func variants(_ task: EvaluationSummary.Task) -> Table {
        let kinds = Set(task.rows.flatMap(\.carried.keys)).sorted()
        return Table(
            caption: "Right where the question is put otherwise, of fixed failures, % (original: of all failures)",
            columns: ["method"] + kinds.map(Table.Column.number),
            rows: task.rows.map { row in [name(row)] + kinds.map { row.carried[$0].map(share) ?? "–" } })
    }

    private static func plots(_ task: EvaluationSummary.Task) -> [Plot] {
        func plot(_ title: String, _ axis: String, _ value: (EvaluationSummary.Row) -> Double?) -> Plot {
            Plot(
                caption: title, x: .init(axis, isLogarithmic: true), y: .init("fixed, %"),
                series: task.rows.dropFirst().compactMap { row in
                    value(row).map { x in
                        .init(row.method ?? "", points: [.init(x, 100 * row.fixed.value, label: row.method)])
                    }
                })
        }
        return [
            plot("Fix rate against side effects", "KL on unrelated text, nats a token") { $0.unrelated?.value },
            plot("Fix rate against time", "seconds a failure") { $0.seconds.value },
            plot("Fix rate against size", "numbers changed") { $0.numbers }
        ]
    }
}

extension EvaluationSummary {
    /// The figures as one table for other programs: a row for each task and method, bounds in columns of their own.
    public var figures: Report.Table {
        let estimates: [(String, (Row) -> Estimate?)] = [
            ("fixed", \.fixed), ("exact", \.exact), ("tokens", \.tokens), ("bleu", \.bleu), ("rouge_l", \.rougeL),
            ("edit", \.edit), ("well_formed", \.wellFormed), ("carried_over", \.carriedOver),
            ("false_positives", \.falsePositives), ("kl_unrelated", \.unrelated), ("changed_top", \.changedTop),
            ("kl_related", \.related),
            ("em_apd", \.heldOutTokens), ("bleu_rpd", \.heldOutBLEU), ("seconds", \.seconds), ("passes", \.passes)
        ]
        let values: [(String, (Row) -> Double)] = [
            ("failures", { Double($0.failures) }), ("abandoned", { Double($0.abandoned) }), ("chrf", \.chrF),
            ("perplexity", \.perplexity), ("neurons", \.neurons), ("numbers", \.numbers), ("norm", \.norm)
        ]
        var names = ["task", "method"] + values.map(\.0)
        for (name, _) in estimates { names += [name, name + "_low", name + "_high"] }
        func cells(_ task: Task, _ row: Row) -> [Report.Table.Cell] {
            var texts = [task.name, row.method ?? "original"] + values.map { String($0.1(row)) }
            for (_, estimate) in estimates {
                texts += estimate(row).map { [String($0.value), String($0.low), String($0.high)] } ?? ["", "", ""]
            }
            return texts.map { Report.Table.Cell($0) }
        }
        return Report.Table(
            columns: names.map { Report.Table.Column($0) },
            rows: tasks.flatMap { task in task.rows.map { cells(task, $0) } })
    }

    /// The table that methods are compared by, for a paper.
    public var comparison: Report.Table {
        return Report.Table(
            columns: [
                "task", "method", .number("fixed, %"), .number("other wordings, %"), .number("false positives, %"),
                .number("KL unrelated"), .number("KL related"), .number("neurons"), .number("seconds")
            ],
            rows: tasks.flatMap { task in
                task.rows.map { row in
                    let sizes: [Report.Table.Cell] = [
                        row.unrelated.map { .init(Numeral.short($0.value)) } ?? "–",
                        row.related.map { .init(Numeral.short($0.value)) } ?? "–",
                        .init(Numeral.short(row.neurons)), .init(Numeral.short(row.seconds.value))
                    ]
                    return [
                        .init(task.name), .init(row.method ?? "original"), Report.share(row.fixed),
                        Report.share(row.carriedOver), row.falsePositives.map(Report.share) ?? "–"
                    ]
                        + (row.method == nil ? sizes.map { _ in "–" } : sizes)
                }
            })
    }
}
