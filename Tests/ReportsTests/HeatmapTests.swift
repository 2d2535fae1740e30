import Foundation
import Testing

@testable import SutureReports

@Suite("Heat maps and other figures where there is much or little room")
struct HeatmapTests {
    private let map = Report.Heatmap(
        caption: "effect", rowTitle: "layer", rows: (0..<4).map(String.init), columnTitle: "head",
        columns: ["a", "b", "c"],
        cells: [[0.9, -3.12e-6, 0.02], [-0.5, 0.3, 0.01], [0.2, -0.1, 0], [0.08, 0.07, 0.06]], coloring: .diverging)

    private func report(_ block: Report.Block) throws -> Report {
        try Report(title: "t", schema: "suture.test/1", data: [String: Int](), blocks: [block])
    }

    @Test("name the strongest five, strongest first, and leave what is near zero blank")
    func strongest() throws {
        #expect(map.strongest.map { [$0.row, $0.column] } == [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1]])
        let line = "Strongest: layer 0, head a: 0.9; layer 1, head a: -0.5; layer 1, head b: 0.3; "
        let page = try report(.heatmap(map))
        for text in [page.html(), page.markdown()] { #expect(text.contains(line)) }
        let rows = page.terminal().split(separator: "\n").filter { $0.hasPrefix("0 ") || $0.hasPrefix("3 ") }
        // Two characters a cell: full, blank, blank; and three that are little but there.
        #expect(rows[0] == "0 +█    " && !rows[1].contains("  +") && rows[1].hasPrefix("3 +·+·+·"), "\(rows)")
        #expect([-3.12e-6, 0.02].allSatisfy(map.isBlank) && !map.isBlank(0.06))
    }

    @Test("fill their card, say where zero is, and write what is nothing as 0.0")
    func card() throws {
        let page = try report(.heatmap(map))
        let html = page.html()
        let width = try #require(html.firstMatch(of: /aria-label="effect" width="(\d+)"/)?.1)
        #expect(Int(width) ?? 0 > 690 && Int(width) ?? 0 <= 730)
        #expect(html.contains(">0</text>") && html.contains("blank within 0.045 of 0"))
        #expect(page.terminal().contains("from -0.9 over 0 to 0.9"))
        for text in [html, page.markdown()] { #expect(text.contains("0.0") && !text.contains("e-6")) }
    }

    @Test("of what is no distance from zero name no strongest, nor of a thing with itself")
    func others() {
        var table = map
        table.coloring = .sequential
        #expect(table.strongest.isEmpty && !table.isBlank(0))
        let same = Report.Heatmap(
            caption: "cosine", rowTitle: "a", rows: ["x", "y"], columnTitle: "a", columns: ["x", "y"],
            cells: [[1, 0], [0, 1]], coloring: .diverging)
        #expect(same.strongestLine == nil)
    }

    @Test("bars write what is nothing beside the longest as 0.0")
    func bars() throws {
        let chart = Report.BarChart(
            caption: "effect", axis: "FLDD, %",
            bars: [.init("whole", 31.1), .init("kernel", -3.07e-5, low: -7e-4, high: 2)])
        let page = try report(.barChart(chart))
        for text in [page.html(), page.markdown(), page.terminal()] {
            #expect(text.contains("0.0") && text.contains("31.1") && !text.contains("e-5"))
        }
    }

    @Test("plots of many points are a line for each series in Markdown, others a table")
    func histogram() throws {
        func plot(_ count: Int) -> Report.Plot {
            let points = (0..<count).map { Report.Plot.Point(Double($0), $0 == 7 ? 9 : 1) }
            return .init(
                caption: "values", x: .init("value"), y: .init("share, %"), series: [.init("natural", points: points)])
        }
        let long = try report(.plot(plot(80))).markdown()
        #expect(long.contains("| natural | 80 | 0 | 79 | 9 | 7 |") && long.split(separator: "\n").count < 8, "\(long)")
        #expect(try report(.plot(plot(20))).markdown().split(separator: "\n").count > 20)
    }

    @Test("in 40 columns the bars of an answer go, and not the answer")
    func narrow() throws {
        let strip = Report.TokenStrip(
            caption: "answer",
            tokens: [.init(" Canberra", before: 0.34, after: 0.72, state: .fixed, instead: " Sydney")])
        let page = try report(.tokenStrip(strip))
        let line = try #require(page.terminal(width: 40).split(separator: "\n").last)
        #expect(line.contains("·Canberra") && line.contains("34%") && line.contains("72%") && line.contains("was ·Syd"))
        #expect(!line.contains("█") && !line.contains("░") && displayWidth(String(line)) <= 40, "\(line)")
        #expect(page.terminal(width: 80).contains("█"))
    }
}
