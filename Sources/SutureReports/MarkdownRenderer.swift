import Foundation

/// Writes a report as Markdown with pipe tables; drawings become tables with bars of characters.
struct MarkdownRenderer {
    func render(_ report: Report) -> String {
        var parts = ["# \(escape(report.title))"]
        if let subtitle = report.subtitle { parts.append(line(subtitle)) }
        if let verdict = report.verdict { parts.append("> **\(verdict.tone.symbol)** \(escape(verdict.text))") }
        parts += report.blocks.map(block)
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    private func block(_ block: Report.Block) -> String {
        switch block {
        case .heading(let text): "## \(escape(text))"
        case .paragraph(let text):
            text.split(separator: "\n").map { line(String($0)) }.joined(separator: "\n\n")
        case .facts(let facts): facts.map { "- **\(escape($0.name))**: \(escape($0.value))" }.joined(separator: "\n")
        case .table(let table): self.table(table)
        case .tokenStrip(let strip): figure(strip)
        case .barChart(let chart):
            figure(
                chart,
                bars: chart.bars.map { bar in
                    // A table cell drops the spaces that would line the bars up.
                    Bars.unicode(bar.value, on: chart.scale, width: 24).filter { $0 != " " }
                })
        case .heatmap(let heatmap):
            [figure(heatmap), heatmap.strongestLine.map(escape) ?? ""].filter { !$0.isEmpty }.joined(separator: "\n\n")
        case .plot(let plot): figure(plot.isLong ? plot.summary : plot.values, plot.caption)
        case .comparison(let comparison): self.comparison(comparison)
        case .inTerminal: ""
        case .gallery(let gallery): figure(gallery)
        case .onPages(let blocks): blocks.map(self.block).joined(separator: "\n\n")
        }
    }

    private func figure(_ figure: some Figure, bars: [String]? = nil) -> String {
        self.figure(figure.values, figure.caption, bars: bars)
    }

    private func figure(_ values: Report.Table, _ caption: String, bars: [String]? = nil) -> String {
        var values = values
        values.caption = caption
        if values.rows.isEmpty { return "**\(escape(caption))**\n\nNothing to show." }
        if let bars {
            values.columns.append("")
            values.rows = zip(values.rows, bars).map { $0 + [.init($1)] }
        }
        return table(values)
    }

    private func table(_ table: Report.Table) -> String {
        let caption = table.caption.map { "**\(escape($0))**\n\n" } ?? ""
        guard !table.columns.isEmpty else { return caption }
        let head = table.columns.map { escape($0.title) }
        let rule = table.columns.map { $0.alignment == .right ? "---:" : "---" }
        let rows = table.paddedRows.map { row in zip(table.columns, row).map { cell($1, in: $0) } }
        return caption + ([head, rule] + rows).map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    private func cell(_ cell: Report.Table.Cell, in column: Report.Table.Column) -> String {
        if cell.text.isEmpty { return "" }
        let text = column.isCode ? code(Visible.token(cell.text)) : escape(cell.text)
        return cell.highlight.map { "**\($0.symbol)** \(text)" } ?? text
    }

    private func comparison(_ comparison: Report.Comparison) -> String {
        func side(_ title: String, _ text: String) -> String {
            let text = Visible.text(text)
            let fence = String(repeating: "`", count: max(3, Self.longestRun(of: "`", in: text) + 1))
            return "\(escape(title)):\n\n\(fence)\n\(text)\n\(fence)"
        }
        return [
            "**\(escape(comparison.caption))**", side(comparison.beforeTitle, comparison.before),
            side(comparison.afterTitle, comparison.after)
        ].joined(separator: "\n\n")
    }

    /// A code span that holds the text whatever backticks are in it, and that fits a table cell.
    private func code(_ text: String) -> String {
        // Within a code span a pipe cannot be escaped without doubt about a backslash before it.
        if text.contains("|") { return "<code>\(escape(text))</code>" }
        let fence = String(repeating: "`", count: Self.longestRun(of: "`", in: text) + 1)
        let space = text.hasPrefix("`") || text.hasSuffix("`") ? " " : ""
        return fence + space + text + space + fence
    }

    private static func longestRun(of mark: Character, in text: String) -> Int {
        var longest = 0
        var run = 0
        for character in text {
            run = character == mark ? run + 1 : 0
            longest = max(longest, run)
        }
        return longest
    }

    /// Plain text on one line, with every character escaped that Markdown or HTML could take for markup.
    private func escape(_ text: String) -> String {
        var result = ""
        for scalar in Visible.line(text).unicodeScalars {
            if "\\`*_[]<>|~&".unicodeScalars.contains(scalar) { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// Text that begins a line, where also lists, headings and rules begin.
    private func line(_ text: String) -> String {
        let text = escape(text.trimmingCharacters(in: .whitespaces))
        let number = text.prefix { $0.isASCII && $0.isNumber }
        let rest = text[number.endIndex...]
        guard let mark = rest.first else { return text }
        let isMarker = number.isEmpty ? "#+-=".contains(mark) : ".)".contains(mark)
        return isMarker ? "\(number)\\\(rest)" : text
    }
}

extension Report {
    /// The report as Markdown, for a model card or an issue.
    public func markdown() -> String {
        MarkdownRenderer().render(self)
    }
}
