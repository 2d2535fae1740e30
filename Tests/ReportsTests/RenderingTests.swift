import Foundation
import SutureFormats
import Testing

@testable import SutureReports

@Suite("A report")
struct RenderingTests {
    @Test("shows every block in every form")
    func everyBlock() throws {
        for (index, block) in Samples.blocks("marker").enumerated() {
            let report = try Report(title: "t", schema: "suture.test/1", data: [String: Int](), blocks: [block])
            for text in [report.html(), report.markdown(), report.terminal()] {
                #expect(text.contains("marker"), "block \(index)")
            }
        }
    }

    @Test("writes the caller's data as JSON: snake case, sorted, the same each time; keys that are data stay")
    func json() throws {
        let report = try Samples.report("ls")
        #expect(
            report.json == """
                {
                  "answer" : "ls",
                  "by_site" : {
                    "attn.3.out" : 0.25,
                    "mlp.24.Hidden" : 0.5
                  },
                  "exact_match" : true,
                  "mean_kl" : 8.2e-05,
                  "schema" : "suture.test/1"
                }

                """)
        #expect(try Samples.report("ls").json == report.json)
    }

    @Test("writes numbers that JSON has no form for as strings")
    func nonFinite() throws {
        let report = try Report(title: "t", schema: "s/1", data: ["a": Double.nan, "b": -.infinity])
        #expect(report.json.contains(#""a" : "NaN""#) && report.json.contains(#""b" : "-Infinity""#))
    }

    @Test(
        "keeps a Markdown table's shape whatever is in its cells",
        arguments: ["a|b", "`", "``|", "a\nb", "\\|", "*<b>*"])
    func markdownTable(text: String) throws {
        let table = Report.Table(columns: ["left", .code("code")], rows: [[.init(text), .init(text)]])
        let report = try Report(title: "t", schema: "s/1", data: [String: Int](), blocks: [.table(table)])
        let rows = report.markdown().split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(rows.count == 3)
        for row in rows {
            // A pipe that is not escaped ends a cell.
            let bare = row.replacing("\\\\", with: "").replacing("\\|", with: "")
            #expect(bare.filter { $0 == "|" }.count == 3, "\(row)")
        }
    }

    @Test("takes nothing in prose for Markdown", arguments: ["# a", "- a", "1. a", "<b>", "[a](b)", "---", "> a"])
    func markdownProse(text: String) throws {
        let report = try Report(title: "t", schema: "s/1", data: [String: Int](), blocks: [.paragraph(text)])
        #expect(!report.markdown().hasSuffix("\n\(text)\n"))
        #expect(report.markdown().replacing("\\", with: "").hasSuffix("\n\(text)\n"))
    }

    @Test("fences code that holds a fence")
    func fence() throws {
        let comparison = Report.Comparison(caption: "c", before: "```\nrm", after: "````")
        let report = try Report(title: "t", schema: "s/1", data: [String: Int](), blocks: [.comparison(comparison)])
        #expect(report.markdown().contains("````\n```\nrm\n````"))
        #expect(report.markdown().contains("`````\n````\n`````"))
    }

    @Test(
        "fits the terminal, and sends it nothing but text",
        arguments: [40, 60, 80, 200],
        ["漢字の長い見出し", "e\u{301}\u{302}", "\u{1B}[31mred\u{9B}2J", "word " + String(repeating: "y", count: 300)])
    func terminal(width: Int, text: String) throws {
        let output = try Samples.report(text).terminal(width: width)
        for line in output.split(separator: "\n") {
            #expect(displayWidth(line) <= width, "\(line)")
        }
        #expect(output.unicodeScalars.allSatisfy { $0 == "\n" || !$0.isHidden })
    }

    @Test("colors only when asked")
    func color() throws {
        #expect(!(try Samples.report("x").terminal().contains("\u{1B}")))
        #expect(try Samples.report("x").terminal(style: .colored).contains("\u{1B}["))
    }

    @Test("marks in a comparison the words that differ, and no more")
    func difference() {
        let comparison = Report.Comparison(caption: "c", before: "ls -la /tmp\nok", after: "ls -lat /tmp\nok")
        #expect(
            comparison.spans.before == [
                .init(text: "ls ", isChanged: false), .init(text: "-la", isChanged: true),
                .init(text: " /tmp\nok", isChanged: false)
            ])
        let marked = TerminalRenderer(width: 40, style: .plain, isUnicode: true).comparison(comparison)
        #expect(marked == "before\n- ls -la /tmp\n  ok\nafter\n+ ls -lat /tmp\n  ok")
        // Equal as strings, different as tokens.
        let accents = Report.Comparison(caption: "c", before: "\u{E9}", after: "e\u{301}")
        #expect(accents.spans.before.map(\.isChanged) == [true])
    }
}
