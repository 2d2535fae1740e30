import Foundation

/// Tables as other programs take them.
extension Report.Table {
    /// Comma-separated values (RFC 4180), with a row of column titles; lines end in `\r\n`.
    ///
    /// A text that a spreadsheet would take for a formula has an apostrophe before it.
    public var csv: String {
        ([columns.map(\.title)] + paddedRows.map { $0.map(\.text) })
            .map { row in row.map(Self.quoted).joined(separator: ",") + "\r\n" }.joined()
    }

    /// A `tabular` for LaTeX, with its rules from the package booktabs.
    public var latex: String {
        let form = columns.map { $0.alignment == .right ? "r" : "l" }.joined()
        func line(_ cells: [String]) -> String { cells.map(Self.escaped).joined(separator: " & ") + " \\\\\n" }
        return "\\begin{tabular}{\(form)}\n\\toprule\n" + line(columns.map(\.title)) + "\\midrule\n"
            + paddedRows.map { line($0.map(\.text)) }.joined() + "\\bottomrule\n\\end{tabular}\n"
    }

    private static func quoted(_ cell: String) -> String {
        let isFormula = cell.first.map { "=+-@\t\r".contains($0) } == true && Double(cell) == nil
        let text = isFormula ? "'" + cell : cell
        let needsQuotes = text.unicodeScalars.contains { "\",\r\n".unicodeScalars.contains($0) }
        return needsQuotes ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
    }

    private static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "\\": "\\textbackslash{}"
            case "~": "\\textasciitilde{}"
            case "^": "\\textasciicircum{}"
            case "#", "$", "%", "&", "_", "{", "}": "\\\(character)"
            case "–": "--"
            case "…": "\\dots{}"
            default: character.isNewline ? " " : String(character)
            }
        }.joined()
    }
}
