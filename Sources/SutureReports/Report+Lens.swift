import Foundation
import SutureSubspaces

extension Report {
    /// What a model would say after each layer, and what each part writes toward an answer.
    public init(_ lens: Lens) throws {
        let answer = Visible.label(lens.answer)
        let target = lens.other.map { "\(answer), less that of \(Visible.label($0))" } ?? answer
        let attribution = lens.attribution
        let layers = attribution.mlp.count
        try self.init(
            title: "Lens", subtitle: lens.model, verdict: Self.verdict(lens, answer), schema: "suture.lens/1",
            data: lens,
            blocks: [
                .facts([
                    Fact("Prompt", Visible.excerpt(lens.prompt)),
                    Fact("Score", "of \(target): \(signed(attribution.total))"),
                    Fact(
                        "Of it written by",
                        "attention \(signed(attribution.attention.reduce(0, +))), MLPs "
                            + "\(signed(attribution.mlp.reduce(0, +))), embedding \(signed(attribution.embedding)), "
                            + "biases \(signed(attribution.constant))"
                            + (attribution.interventions.map { ", interventions \(signed($0))" } ?? ""))
                ]),
                .heading("What would be said after each layer"),
                .table(Self.lastToken(lens.logitLens, answer)),
                .onPages([.heatmap(Self.chances(lens.logitLens, answer)), .table(Self.everyToken(lens.logitLens))]),
                .heading("What writes toward the answer"),
                .table(Self.strongest(attribution)),
                .onPages(
                    [.barChart(Self.byLayer(attribution))]
                        + (attribution.heads.map { heads in
                            [
                                .heatmap(
                                    .init(
                                        caption: "What each head adds to the score", rowTitle: "layer",
                                        rows: (0..<layers).map(String.init), columnTitle: "head",
                                        columns: heads[0].indices.map(String.init), cells: heads, coloring: .diverging))
                            ]
                        } ?? []))
            ])
    }

    private static func verdict(_ lens: Lens, _ answer: String) -> Verdict {
        guard let layer = lens.settledLayer else {
            let last = lens.logitLens.cells[lens.logitLens.cells.count - 1]
            let rank = last[last.count - 1].answer?.rank ?? 0
            return .init(.neutral, "\(answer) is not what the model says: rank \(rank).")
        }
        return .init(
            .neutral,
            layer == 0
                ? "\(answer) is the most likely token before any layer."
                : "\(answer) is the most likely token from layer \(layer - 1) on.")
    }

    /// Rows: before layer 0, then after each layer.
    private static func names(_ lens: LogitLens) -> [String] {
        lens.cells.indices.map { $0 == 0 ? "embedding" : "\($0 - 1)" }
    }

    private static func lastToken(_ lens: LogitLens, _ answer: String) -> Table {
        Table(
            caption: "Behind the last token",
            columns: [
                .number("layer"), .code("most likely"), .number("probability"), .number("\(answer)"), .number("rank")
            ],
            rows: zip(names(lens), lens.cells).map { name, cells in
                let cell = cells[cells.count - 1]
                return [
                    .init(name), .init(cell.token, highlight: cell.answer?.rank == 1 ? .good : nil),
                    .init(Numeral.percent(cell.probability)), .init(Numeral.percent(cell.answer?.probability)),
                    .init(cell.answer.map { "\($0.rank)" } ?? "")
                ]
            })
    }

    private static func chances(_ lens: LogitLens, _ answer: String) -> Heatmap {
        Heatmap(
            caption: "Probability of \(answer) behind each token", rowTitle: "layer", rows: names(lens),
            columnTitle: "token", columns: columns(lens.tokens),
            cells: lens.cells.map { $0.map { $0.answer?.probability ?? .nan } }, coloring: .sequential)
    }

    private static func everyToken(_ lens: LogitLens) -> Table {
        Table(
            caption: "The most likely token behind each token",
            columns: [.number("layer")] + columns(lens.tokens).map { .code(Visible.label($0)) },
            rows: zip(names(lens), lens.cells).map { [.init($0)] + $1.map { .init(Visible.token($0.token)) } })
    }

    private static func columns(_ tokens: [String]) -> [String] {
        tokens.enumerated().map { "\($0.offset) \($0.element)" }
    }

    /// The parts that add or take most, of all kinds.
    private static func strongest(_ attribution: DirectAttribution) -> Table {
        let attention = attribution.attention.enumerated().map { ("attn.\($0.offset)", $0.element) }
        let mlp = attribution.mlp.enumerated().map { ("mlp.\($0.offset)", $0.element) }
        let heads = (attribution.heads ?? []).enumerated().flatMap { layer, heads in
            heads.enumerated().map { ("attn.\(layer).head.\($0.offset)", $0.element) }
        }
        let neurons = (attribution.neurons ?? []).map { ($0.neuron.description, $0.effect) }
        func rows(_ parts: [(String, Double)], _ count: Int) -> [[Table.Cell]] {
            parts.sorted { abs($0.1) > abs($1.1) }.prefix(count).map { [.init($0), .init(signed($1))] }
        }
        return Table(
            caption: "The strongest of each kind: what it adds to the score", columns: [.code("part"), .number("adds")],
            rows: rows(attention + mlp, 6) + rows(heads, 6) + rows(neurons, neurons.count))
    }

    private static func byLayer(_ attribution: DirectAttribution) -> BarChart {
        let bars = zip(attribution.attention, attribution.mlp).enumerated().flatMap { layer, parts in
            [BarChart.Bar("attn.\(layer)", parts.0), BarChart.Bar("mlp.\(layer)", parts.1)]
        }
        return BarChart(caption: "What each attention and MLP adds to the score", axis: "adds", bars: bars)
    }
}

private func signed(_ value: Double) -> String { String(format: "%+.2f", value) }
