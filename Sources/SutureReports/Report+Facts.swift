import SutureSubspaces
import SutureTensor

extension Report {
    /// Patches and edits of facts by layer, and what they say of where facts are.
    public init(_ study: FactReport) throws {
        let blocks: [Block] = [
            .paragraph(
                "Two facts of one relation; the base's answer should become the source's. A direction in the hidden activations "
                    + "of one MLP is learned for each pair, so that a patch along it at the last token of the subject does that. "
                    + "The patch equals a rank-1 edit of the MLP's output projection at that token, and a rank-1 edit made as in "
                    + "ROME is nearly a projection along a direction. Flips: the source's object became the most likely token. "
                    + "Rewrite score: (p after - p before) / (1 - p before), p its probability."),
            .table(Self.factFlips(study)), .plot(Self.factPlot(study)),
            .heading("Edits as projections"),
            .paragraph(
                "An edit W + a b^T and the direction v, of all with W v along a, for which x - (v.x) v comes nearest to it on "
                    + "average over all facts' prompts."),
            .table(Self.factRewrites(study)),
            .heading("What the directions are made of"), .table(Self.factParts(study)),
            .heading("Beside the paper"), .paragraph(Self.factComparison(study)),
            .paragraph(
                "Each direction is learned from one pair and judged on the same pair: that it works says what can be forced, not "
                    + "where the model keeps a fact (a point of the reply, Wu, Geiger et al., 2401.12631)."),
            .heading("How"),
            .facts([
                Fact("Model", "\(study.model), \(study.layers) layers"),
                Fact("Pairs", "\(study.pairs) pairs of facts that the model knows"),
                Fact("Learning", list(study.options)),
                Fact("Clean logit difference", Self.decimal(study.cleanDifference)),
                Fact("Intervals", "95%, from 1000 resamples of the pairs")
            ])
        ]
        let best = study.rows.max { flips($0, .direction) < flips($1, .direction) }
        try self.init(
            title: "Facts, patches and rank-1 edits", subtitle: study.model,
            verdict: best.map { row in
                .init(
                    .neutral,
                    "Layer \(row.layer): a direction turns \(Self.percent(flips(row, .direction))) of the facts, its row part "
                        + "\(Self.percent(flips(row, .row))), the whole MLP \(Self.percent(flips(row, .whole))), and the rank-1 "
                        + "edits made from the directions \(Self.percent(flips(row, .edit))).")
            }, schema: "suture.facts/1", data: study, blocks: blocks)
    }

    private static func factFlips(_ study: FactReport) -> Table {
        let kinds: [FactReport.Kind] = [.direction, .row, .whole, .edit]
        return Table(
            caption: "Facts turned, %, with 95% intervals; and how much of the logit difference is removed",
            columns: [
                .number("layer"), .number("direction"), .number("its row part"), .number("whole MLP"),
                .number("rank-1 edit"), .number("direction, FLDD %"), .number("rank-1 edit, FLDD %")
            ],
            rows: study.rows.map { row in
                [.init("\(row.layer)")] + kinds.map { .init(cell(row.effects[$0]?.flips)) }
                    + [.direction, .edit].map { .init(points(row.effects[$0]?.fldd.value ?? .nan)) }
            })
    }

    private static func factRewrites(_ study: FactReport) -> Table {
        let kinds: [FactReport.Kind] = [.rome, .zero, .zeroRow, .direction, .edit, .row]
        return Table(
            caption: "Rewrite score, %, with 95% intervals",
            columns: [
                .number("layer"), .number("ROME edit"), .number("as a projection"), .number("its row part"),
                .number("learned direction"), .number("its rank-1 edit"), .number("its row part")
            ],
            rows: study.rows.map { row in
                [.init("\(row.layer)")] + kinds.map { .init(cell(row.effects[$0]?.rewrite)) }
            })
    }

    private static func factParts(_ study: FactReport) -> Table {
        Table(
            caption: "Means over pairs of the learned directions; D is source - base",
            columns: [
                .number("layer"), .number("|row part|"), .number("|kernel part|"), .number("|cos(D, row part)|"),
                .number("|cos(D, kernel part)|")
            ],
            rows: study.rows.map { row in
                [.init("\(row.layer)")]
                    + [row.rowNorm, row.nullNorm, row.readsRow, row.readsNull].map { .init(decimal($0)) }
            })
    }

    private static func factPlot(_ study: FactReport) -> Plot {
        let kinds: [(FactReport.Kind, String)] = [
            (.direction, "direction"), (.edit, "rank-1 edit"), (.row, "row part"), (.whole, "whole MLP")
        ]
        return Plot(
            caption: "Facts turned, by layer", x: .init("layer"), y: .init("facts turned, %"),
            series: kinds.map { kind, name in
                .init(
                    name, points: study.rows.map { .init(Double($0.layer), 100 * flips($0, kind)) }, isLine: true)
            })
    }

    /// The paper's numbers are of GPT2-XL and 40 pairs.
    private static func factComparison(_ study: FactReport) -> String {
        let early = study.rows.filter { 2 * $0.layer < study.layers }
        let late = study.rows.filter { 2 * $0.layer >= study.layers }
        func mean(_ rows: [FactReport.Row], _ kind: FactReport.Kind) -> Double {
            rows.isEmpty ? 0 : rows.reduce(0) { $0 + flips($1, kind) } / Double(rows.count)
        }
        let least = study.rows.map(\.readsNull).min() ?? 0
        // The paper's row parts turn one fact of 40 at most, at any layer.
        let strays = study.rows.filter { ($0.effects[.row]?.flips.low ?? 0) > 0.025 }.map { row in
            "layer \(row.layer) (\(cell(row.effects[.row]?.flips)) %)"
        }
        let rows =
            strays.isEmpty
            ? "Row parts turn no more than there at any layer."
            : "Row parts turn more than there at \(strays.joined(separator: ", "))."
        let directions =
            mean(early, .direction) > mean(late, .direction)
            ? "Directions turn more in the first half than in the second, as there."
            : "Directions do not turn more in the first half than in the second: there they do."
        return
            "In the paper (GPT2-XL), directions turn 80 to 100% of the facts in the first 20 of 48 layers, 55% at layer 25 and "
            + "next to none from 35 on; their row parts 2.5% at most and the whole MLP next to none; source and base differ mostly "
            + "along the kernel part (|cos| about 0.9). Here directions turn \(percent(mean(early, .direction))) in the first "
            + "half of the layers and \(percent(mean(late, .direction))) in the second, their row parts "
            + "\(percent(mean(early, .row))) and \(percent(mean(late, .row))), the whole MLP \(percent(mean(early, .whole))) and "
            + "\(percent(mean(late, .whole))); |cos| along the kernel part is \(decimal(least)) at least. "
            + "\(directions) \(rows)"
    }

    private static func cell(_ estimate: Estimate?) -> String {
        estimate.map { "\(points($0.value)) (\(range($0)))" } ?? ""
    }
}

private func flips(_ row: FactReport.Row, _ kind: FactReport.Kind) -> Double { row.effects[kind]?.flips.value ?? 0 }

private func list(_ options: [String: Double]) -> String {
    options.sorted { $0.key < $1.key }.map { "\($0.key.replacing("_", with: " ")) \(Numeral.short($0.value))" }
        .joined(separator: ", ")
}
