/// Draws a report as one HTML file that needs nothing else: no network, no scripts, no fonts.
struct HTMLRenderer {
    func render(_ report: Report) -> String {
        let title = Visible.line(report.title)
        return tag(
            "html", ["lang": "en", "xmlns": "http://www.w3.org/1999/xhtml"],
            tag(
                "head", [:],
                tag("meta", ["charset": "utf-8"]),
                tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
                tag("meta", ["name": "color-scheme", "content": "light dark"]),
                tag("title", [:], .text(title)),
                .style(Self.styleSheet)),
            tag(
                "body", [:],
                tag(
                    "main", [:],
                    [
                        tag(
                            "header", [:],
                            [tag("h1", [:], .text(title))] + paragraphs(report.subtitle, class: "subtitle"))
                    ] + (report.verdict.map { [banner($0)] } ?? []) + report.blocks.map(block)),
                .json(report.json))
        ).document()
    }

    private func banner(_ verdict: Report.Verdict) -> Markup {
        tag(
            "div", ["class": "verdict \(verdict.tone)", "role": "status"],
            tag("span", ["class": "mark", "aria-hidden": "true"], .text(verdict.tone.symbol)),
            tag("p", [:], .text(verdict.text)))
    }

    private func block(_ block: Report.Block) -> Markup {
        switch block {
        case .heading(let text): tag("h2", [:], .text(Visible.line(text)))
        case .paragraph(let text): tag("p", [:], .text(text))
        case .facts(let facts):
            tag(
                "dl", [:],
                facts.flatMap { [tag("dt", [:], .text($0.name)), tag("dd", [:], .text($0.value))] })
        case .table(let table):
            tag(
                "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": table.caption ?? "table"],
                self.table(table))
        case .tokenStrip(let strip): figure(strip, tokenStrip(strip))
        case .barChart(let chart): figure(chart, barChart(chart))
        case .heatmap(let heatmap): figure(heatmap, self.heatmap(heatmap))
        case .plot(let plot): figure(plot, self.plot(plot))
        case .comparison(let comparison): figure(comparison, self.comparison(comparison))
        case .inTerminal: ""
        case .gallery(let gallery): figure(gallery, self.gallery(gallery))
        case .onPages(let blocks): tag("div", [:], blocks.map(self.block))
        }
    }

    private func paragraphs(_ text: String?, class name: String) -> [Markup] {
        text.map { [tag("p", ["class": name], .text($0))] } ?? []
    }

    /// The drawing with its caption, and its values as a table that can be opened.
    private func figure(_ figure: some Figure, _ drawing: [Markup]) -> Markup {
        let values = figure.values
        let caption = tag("figcaption", [:], .text(figure.caption))
        guard !values.rows.isEmpty else {
            return tag("figure", [:], caption, tag("p", ["class": "empty"], "Nothing to show."))
        }
        let data = tag(
            "details", [:], tag("summary", [:], "Data"), tag("div", ["class": "scroll"], table(values)))
        return tag("figure", [:], [caption] + drawing + [data])
    }

    private func table(_ table: Report.Table) -> Markup {
        tag(
            "table", [:],
            (table.caption.map { [tag("caption", [:], .text($0))] } ?? []) + [
                tag(
                    "thead", [:],
                    tag(
                        "tr", [:],
                        table.columns.map {
                            tag("th", ["scope": "col", "class": className($0)], .text($0.title))
                        })),
                tag(
                    "tbody", [:],
                    table.paddedRows.map { row in
                        tag("tr", [:], zip(table.columns, row).map { cell($1, in: $0) })
                    })
            ])
    }

    private func className(_ column: Report.Table.Column) -> String? {
        column.alignment == .right ? "number" : nil
    }

    private func cell(_ cell: Report.Table.Cell, in column: Report.Table.Column) -> Markup {
        var content: Markup = .text(cell.text)
        if column.isCode, !cell.text.isEmpty { content = tag("code", [:], .text(Visible.token(cell.text))) }
        if let highlight = cell.highlight {
            content = tag(
                "span", ["class": "highlight \(highlight)"],
                tag("span", ["aria-hidden": "true"], .text("\(highlight.symbol) ")), content)
        }
        return tag("td", ["class": className(column)], content)
    }
}

extension Report {
    /// One self-contained HTML file: style and drawings inline, the JSON embedded, nothing fetched.
    ///
    /// Every string is escaped; control characters and marks that turn the direction of writing are shown as symbols.
    public func html() -> String {
        HTMLRenderer().render(self)
    }
}
