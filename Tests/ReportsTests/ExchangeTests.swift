import SutureReports
import Testing

@Suite("Tables for other programs")
struct ExchangeTests {
    private let table = Report.Table(
        columns: ["a", .number("b, c")], rows: [["x\"y", "1.5"], ["50% of_{1} \\ & more", "–"], ["line\nbreak"]])

    @Test("as comma-separated values")
    func csv() {
        #expect(
            table.csv == "a,\"b, c\"\r\n\"x\"\"y\",1.5\r\n50% of_{1} \\ & more,–\r\n\"line\nbreak\",\r\n")
    }

    @Test("with no text that a spreadsheet would take for a formula")
    func formulas() {
        let cells = ["=1+1", "+cmd", "-a", "@sum", "\tx", "-1.5", "+2", "-inf", "1e-3", "a=b", "", "-"]
        let table = Report.Table(columns: ["c"], rows: cells.map { [.init($0)] })
        let expected = ["'=1+1", "'+cmd", "'-a", "'@sum", "'\tx", "-1.5", "+2", "-inf", "1e-3", "a=b", "", "'-"]
        #expect(table.csv == (["c"] + expected).map { $0 + "\r\n" }.joined())
    }

    @Test("for LaTeX")
    func latex() {
        #expect(
            table.latex == """
                \\begin{tabular}{lr}
                \\toprule
                a & b, c \\\\
                \\midrule
                x"y & 1.5 \\\\
                50\\% of\\_\\{1\\} \\textbackslash{} \\& more & -- \\\\
                line break &  \\\\
                \\bottomrule
                \\end{tabular}

                """)
    }
}
