import SutureReports

/// Reports for tests.
enum Samples {
    struct Outcome: Codable, Sendable {
        var exactMatch = true
        var meanKL = 8.2e-5
        var bySite = ["mlp.24.Hidden": 0.5, "attn.3.out": 0.25]
        var answer = "ls -la"
    }

    /// Each kind of block, with one text in every place that takes one.
    static func blocks(_ text: String) -> [Report.Block] {
        [
            .heading(text), .paragraph(text), .facts([.init(text, text)]),
            .table(
                .init(
                    caption: text, columns: [.init(text), .number(text), .code(text)],
                    rows: [[.init(text), .init(text, highlight: .good), .init(text, highlight: .bad)], [.init(text)]])),
            .tokenStrip(
                .init(
                    caption: text,
                    tokens: [.init(text, before: 0.25, after: 0.75, state: .fixed, instead: text)])),
            .barChart(
                .init(
                    caption: text, axis: text, bars: [.init(text, 1, low: 0.5, high: 2, group: 0), .init(text, -1)],
                    groups: [text])),
            .heatmap(
                .init(
                    caption: text, rowTitle: text, rows: [text], columnTitle: text, columns: [text], cells: [[0.5]],
                    coloring: .diverging)),
            .plot(
                .init(
                    caption: text, x: .init(text), y: .init(text, isLogarithmic: true),
                    series: [
                        .init(text, points: [.init(1, 2, low: 1, high: 3, label: text), .init(2, 3)], isLine: true)
                    ])),
            .comparison(
                .init(caption: text, before: text, after: text + " more", beforeTitle: text, afterTitle: text)),
            .gallery(.init(caption: text, pictures: [.init(png: [0x89, 0x50], title: text, text: text)]))
        ]
    }

    static func report(_ text: String) throws -> Report {
        try Report(
            title: text, subtitle: text, verdict: .init(.mixed, text), schema: "suture.test/1",
            data: Outcome(answer: text), blocks: blocks(text))
    }

    /// Each drawn block, from values alone.
    static func charts(_ values: [Double]) -> [Report.Block] {
        let names = values.indices.map { "v\($0)" }
        func heatmap(_ coloring: Report.Heatmap.Coloring) -> Report.Block {
            .heatmap(
                .init(
                    caption: "heatmap", rowTitle: "row", rows: names, columnTitle: "column", columns: ["a", "b"],
                    cells: values.map { [$0] }, coloring: coloring))
        }
        func plot(isLogarithmic: Bool) -> Report.Block {
            .plot(
                .init(
                    caption: "plot", x: .init("x", isLogarithmic: isLogarithmic),
                    y: .init("y", isLogarithmic: isLogarithmic),
                    series: [.init("s", points: values.map { .init($0, $0) }, isLine: true)]))
        }
        return [
            .tokenStrip(.init(caption: "tokens", tokens: values.map { .init("t", before: $0, after: $0) })),
            .barChart(
                .init(caption: "bars", axis: "x", bars: zip(names, values).map { .init($0, $1, low: $1, high: $1) })),
            heatmap(.diverging), heatmap(.sequential), plot(isLogarithmic: false), plot(isLogarithmic: true)
        ]
    }
}
