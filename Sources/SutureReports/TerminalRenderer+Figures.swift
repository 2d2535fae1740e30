extension TerminalRenderer {
    /// One line a token: what it is, its probability before and after, what stood there instead.
    func tokenStrip(_ strip: Report.TokenStrip) -> String {
        let labels = strip.tokens.map { truncated(Visible.token($0.text), to: max(14, width / 4)) }
        let column = labels.map { displayWidth($0) }.max() ?? 0
        let instead = min(16, strip.tokens.map { displayWidth(Visible.token($0.instead ?? "")) + 6 }.max() ?? 0)
        // Where there is little room, the bars give way and not the answer.
        let room = min(16, (width - column - 24 - instead) / 2)
        let bar = room < 4 ? 0 : room
        return zip(labels, strip.tokens).map { label, token in
            let mark =
                switch token.state {
                case .unchanged: " "
                case .fixed: style(.good, symbol(.good))
                case .wrong: style(.bad, symbol(.bad))
                }
            func share(_ tone: Report.Tone, _ value: Double?) -> String {
                let drawn = bar == 0 ? "" : style(tone, Bars.share(value, width: bar, isUnicode: isUnicode)) + " "
                return drawn + percent(value)
            }
            let line =
                "\(mark) \(padded(label, to: column))  \(share(.bad, token.before))  \(share(.good, token.after))"
            let used = column + 18 + (bar == 0 ? 0 : 2 * bar + 2)
            guard let instead = token.instead, width - used > 6 else { return line }
            return line + "  " + style.dim(truncated("was \(Visible.token(instead))", to: width - used - 2))
        }.joined(separator: "\n")
    }

    private func percent(_ probability: Double?) -> String {
        padded(Numeral.percent(probability), to: 6, alignment: .right)
    }

    func barChart(_ chart: Report.BarChart) -> String {
        let labels = chart.bars.map { truncated(Visible.label($0.label), to: max(8, width / 3)) }
        let values = chart.bars.map { chart.number($0.value) }
        let intervals = chart.bars.map { bar in
            guard let low = bar.low, let high = bar.high else { return "" }
            return " [\(chart.number(low)), \(chart.number(high))]"
        }
        // Where there is no room for a bar beside them, the intervals give way.
        let isRoomy = zip(values, intervals).allSatisfy { displayWidth($0 + $1) <= width / 2 }
        let numbers = isRoomy ? zip(values, intervals).map { $0 + $1 } : values
        let labelColumn = labels.map { displayWidth($0) }.max() ?? 0
        let numberColumn = numbers.map { displayWidth($0) }.max() ?? 0
        let bar = max(4, min(40, width - labelColumn - numberColumn - 4))
        let scale = chart.scale
        let rows = chart.bars.indices.map { index in
            let value = chart.bars[index].value
            let shape =
                isUnicode ? Bars.unicode(value, on: scale, width: bar) : Bars.ascii(value, on: scale, width: bar)
            return padded(labels[index], to: labelColumn) + "  "
                + (chart.bars[index].group.map { style.group($0, padded(shape, to: bar)) }
                    ?? style(value < 0 ? .bad : .good, padded(shape, to: bar))) + "  "
                + padded(numbers[index], to: numberColumn, alignment: .right)
        }
        return ([style.dim(wrap(chart.axis))] + rows).joined(separator: "\n")
    }

    /// Two characters a cell: a sign and a shade. Columns that do not fit are left out, and said so.
    func heatmap(_ map: Report.Heatmap) -> String {
        let names = map.rows.map { truncated(Visible.label($0), to: max(8, width / 4)) }
        let column = names.map { displayWidth($0) }.max() ?? 0
        let shown = min(map.columns.count, max(1, (width - column - 1) / 2))
        let rows = map.rows.indices.map { row in
            padded(names[row], to: column) + " " + (0..<shown).map { cell(map, row, $0) }.joined()
        }
        let (low, high) = map.limits
        let least = map.coloring == .diverging ? -high : low
        var legend = "\(map.rowTitle) down, \(map.columnTitle) across: "
        legend += map.columns.first.map { "\(Visible.label($0)) to \(Visible.label(map.columns[shown - 1]))" } ?? "none"
        legend +=
            "; from \(Numeral.short(least)) \(map.coloring == .diverging ? "over 0 " : "")to \(Numeral.short(high))"
        if shown < map.columns.count { legend += "; \(map.columns.count - shown) more columns do not fit" }
        let strongest = map.strongestLine.map { [wrap($0)] } ?? []
        return (rows + [style.dim(wrap(legend))] + strongest).joined(separator: "\n")
    }

    private func cell(_ map: Report.Heatmap, _ row: Int, _ column: Int) -> String {
        let value = map.value(row, column)
        guard let strength = map.strength(of: value), !map.isBlank(value) else { return "  " }
        let shades: [Character] = isUnicode ? ["·", "░", "▒", "▓", "█"] : [".", ":", "+", "*", "#"]
        let shade = shades[min(shades.count - 1, Int(strength.magnitude * Double(shades.count)))]
        let sign: Character = strength < 0 ? "-" : map.coloring == .diverging && strength > 0 ? "+" : shade
        return style(strength < 0 ? .bad : .good, "\(sign)\(shade)")
    }

    /// One text under the other, changed lines marked.
    func comparison(_ comparison: Report.Comparison) -> String {
        let spans = comparison.spans
        return side(comparison.beforeTitle, spans.before, mark: "-", tone: .bad) + "\n"
            + side(comparison.afterTitle, spans.after, mark: "+", tone: .good)
    }

    private func side(
        _ title: String, _ spans: [Report.Comparison.Span], mark: String, tone: Report.Tone
    ) -> String {
        var lines = [(text: "", isChanged: false)]
        for span in spans {
            let pieces = span.text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, piece) in pieces.enumerated() {
                if index > 0 { lines.append(("", false)) }
                lines[lines.count - 1].text += piece
                if span.isChanged, !piece.isEmpty { lines[lines.count - 1].isChanged = true }
            }
        }
        let marked = lines.flatMap { line in
            cut(Visible.line(line.text), to: width - 2).map { piece in
                line.isChanged ? style(tone, "\(mark) \(piece)") : "  \(piece)"
            }
        }
        return ([style.dim(wrap(Visible.line(title)))] + marked).joined(separator: "\n")
    }
}
