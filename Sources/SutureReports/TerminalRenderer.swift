import Foundation

/// Writes a report as lines of at most `width` columns.
struct TerminalRenderer {
    let width: Int
    let style: Terminal.Style
    let isUnicode: Bool

    func render(_ report: Report) -> String {
        var parts = [style.bold(wrap(report.title))]
        if let subtitle = report.subtitle { parts[0] += "\n" + style.dim(wrap(subtitle)) }
        let verdict = report.verdict.map { style($0.tone, wrap("\(symbol($0.tone)) \($0.text)")) } ?? ""
        let blocks = report.blocks.map(block)
        parts += report.isVerdictLast ? blocks + [verdict] : [verdict] + blocks
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n") + "\n"
    }

    private func block(_ block: Report.Block) -> String {
        switch block {
        case .heading(let text): style.bold(wrap(text))
        case .paragraph(let text): wrap(text)
        case .facts(let facts): self.facts(facts)
        case .table(let table): self.table(table)
        case .tokenStrip(let strip): figure(strip, tokenStrip(strip))
        case .barChart(let chart): figure(chart, barChart(chart))
        case .heatmap(let heatmap): figure(heatmap, self.heatmap(heatmap))
        case .plot(let plot): figure(plot, table(plot.values))
        case .comparison(let comparison): figure(comparison, self.comparison(comparison))
        case .gallery(let gallery): figure(gallery, table(gallery.values))
        case .onPages: ""
        case .inTerminal(let blocks): blocks.map(self.block).joined(separator: "\n\n")
        }
    }

    private func figure(_ figure: some Figure, _ drawing: String) -> String {
        wrap(figure.caption) + "\n" + (figure.values.rows.isEmpty ? style.dim("Nothing to show.") : drawing)
    }

    private func facts(_ facts: [Report.Fact]) -> String {
        let names = facts.map { truncated(Visible.line($0.name), to: width / 2) }
        let column = names.map { displayWidth($0) }.max() ?? 0
        return zip(names, facts).map { name, fact in
            let lines = wrap(fact.value, to: width - column - 2).split(
                separator: "\n", omittingEmptySubsequences: false)
            let indent = "\n" + String(repeating: " ", count: column + 2)
            return style.dim(padded(name, to: column)) + "  " + lines.joined(separator: indent)
        }.joined(separator: "\n")
    }

    func table(_ table: Report.Table) -> String {
        let caption = table.caption.map { wrap($0) + "\n" } ?? ""
        let head = table.columns.map { Visible.line($0.title) }
        let rows = table.paddedRows.map { row in zip(table.columns, row).map { text($1, in: $0) } }
        var widths = head.map { displayWidth($0) }
        for row in rows {
            for (column, text) in row.enumerated() { widths[column] = max(widths[column], displayWidth(text)) }
        }
        shrink(&widths, of: table)
        func line(_ cells: [String], _ paint: (Int, String) -> String) -> String {
            let cells = cells.enumerated().map { index, text in
                paint(
                    index,
                    padded(
                        truncated(text, to: widths[index]), to: widths[index], alignment: table.columns[index].alignment
                    ))
            }
            return cells.joined(separator: "  ").trimmingSuffix { $0 == " " }
        }
        let body = zip(table.paddedRows, rows).map { row, texts in
            line(texts) { index, text in row[index].highlight.map { style($0, text) } ?? text }
        }
        return caption + ([line(head) { style.dim($1) }] + body).joined(separator: "\n")
    }

    private func text(_ cell: Report.Table.Cell, in column: Report.Table.Column) -> String {
        let text = column.isCode && !cell.text.isEmpty ? Visible.token(cell.text) : Visible.line(cell.text)
        return cell.highlight.map { "\(symbol($0)) \(text)" } ?? text
    }

    /// Takes from the widest columns until the table fits, from text before numbers; every column keeps a few.
    private func shrink(_ widths: inout [Int], of table: Report.Table) {
        let text = table.columns.indices.filter { table.columns[$0].alignment == .left }
        for (columns, least) in [(text, 8), (Array(table.columns.indices), 4)] {
            while widths.reduce(0, +) + 2 * (widths.count - 1) > width,
                let widest = columns.max(by: { widths[$0] < widths[$1] }), widths[widest] > least
            {
                widths[widest] -= 1
            }
        }
    }

    func symbol(_ tone: Report.Tone) -> String {
        guard !isUnicode else { return tone.symbol }
        switch tone {
        case .good: return "+"
        case .bad: return "x"
        case .mixed: return "~"
        case .neutral: return "i"
        }
    }

    /// Breaks lines between words, and within words that are longer than a line.
    func wrap(_ text: String, to limit: Int? = nil) -> String {
        let limit = max(8, limit ?? width)
        var lines: [String] = []
        for paragraph in Visible.text(text).split(separator: "\n", omittingEmptySubsequences: false) {
            var line = ""
            for word in paragraph.split(separator: " ").flatMap({ cut(String($0), to: limit) }) {
                if !line.isEmpty, displayWidth(line) + 1 + displayWidth(word) > limit {
                    lines.append(line)
                    line = ""
                }
                line += (line.isEmpty ? "" : " ") + word
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }

    /// Cuts a text where the line is full; unlike `wrap`, keeps its spaces.
    func cut(_ text: String, to limit: Int) -> [String] {
        var pieces = [""]
        var used = 0
        for character in text {
            let next = displayWidth(String(character))
            if used + next > limit {
                pieces.append("")
                used = 0
            }
            pieces[pieces.count - 1].append(character)
            used += next
        }
        return pieces
    }
}

extension Report {
    /// The report as text for a terminal or a log.
    ///
    /// - Parameters:
    ///   - width: Columns, at least 40; tables are cut to fit and text is wrapped.
    ///   - style: Whether to color; the default never does.
    ///   - isUnicode: Whether marks and bars may be other than ASCII.
    public func terminal(width: Int = 80, style: Terminal.Style = .plain, isUnicode: Bool = true) -> String {
        TerminalRenderer(width: max(40, width), style: style, isUnicode: isUnicode).render(self)
    }
}

extension String {
    /// The text without the characters at its end that fulfil a condition.
    fileprivate func trimmingSuffix(while condition: (Character) -> Bool) -> String {
        guard let last = lastIndex(where: { !condition($0) }) else { return "" }
        return String(self[...last])
    }
}
