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
