extension HTMLRenderer {
    /// The width of a figure's card, inside.
    private static let cardWidth = 730

    /// Cells that fill the card: a map that is too wide is scrolled, not shrunk until nobody can read it.
    func heatmap(_ map: Report.Heatmap) -> [Markup] {
        let rowNames = map.rows.map { truncated(Visible.label($0), to: 20) }
        let columnNames = map.columns.map { truncated(Visible.label($0), to: 14) }
        let cellHeight = 20
        let left = 16 + 7 * max(displayWidth(Visible.line(map.rowTitle)), rowNames.map { displayWidth($0) }.max() ?? 0)
        let longest = columnNames.map { displayWidth($0) }.max() ?? 0
        let columnCount = max(1, columnNames.count)
        func width(beside room: Int) -> Int { max((Self.cardWidth - left - room) / columnCount, 20) }
        // Names that do not fit over their columns are tilted, and then reach beyond the last one.
        let level = width(beside: 8)
        let cellWidth = longest * 7 > level - 4 ? width(beside: longest * 5 + 8) : level
        let isTilted = longest * 7 > cellWidth - 4
        let top = 28 + (isTilted ? 12 + longest * 5 : 18)
        // The last tilted name reaches beyond its column.
        let width = left + cellWidth * columnNames.count + (isTilted ? longest * 5 + 8 : 8)
        let height = top + cellHeight * rowNames.count + 4

        var shapes: [Markup] = [
            text(map.columnTitle, x: left, y: 14, anchor: "start", class: "axis-title"),
            text(map.rowTitle, x: left - 8, y: top - 8, anchor: "end", class: "axis-title")
        ]
        for (column, name) in columnNames.enumerated() {
            let x = left + column * cellWidth + cellWidth / 2
            shapes.append(
                tag(
                    "text",
                    [
                        "transform": "translate(\(x + (isTilted ? 4 : 0)),\(top - 6))\(isTilted ? " rotate(-45)" : "")",
                        "text-anchor": isTilted ? "start" : "middle", "class": "tick code"
                    ], .text(name)))
        }
        for (row, name) in rowNames.enumerated() {
            let y = top + row * cellHeight
            shapes.append(text(name, x: left - 8, y: y + 14, anchor: "end", class: "tick code"))
            for (column, columnName) in columnNames.enumerated() {
                let value = map.value(row, column)
                let strength = map.strength(of: value)
                shapes.append(
                    tag(
                        "rect",
                        [
                            "x": "\(left + column * cellWidth)", "y": "\(y)", "width": "\(cellWidth - 1)",
                            "height": "\(cellHeight - 1)",
                            "class": strength.map { $0 < 0 ? "cell negative" : "cell positive" } ?? "gap",
                            "fill-opacity": strength.map { map.isBlank(value) ? "0" : Numeral.decimal($0.magnitude) }
                        ], tag("title", [:], .text("\(name), \(columnName): \(map.number(value))"))))
            }
        }
        let drawing = tag(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": map.caption,
                "width": "\(width)", "height": "\(height)"
            ], [tag("title", [:], .text(map.caption))] + shapes)
        return [
            tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": map.caption], drawing),
            key(map)
        ] + (map.strongestLine.map { [tag("p", ["class": "strongest"], .text($0))] } ?? [])
    }

    private func text(_ text: String, x: Int, y: Int, anchor: String, class name: String) -> Markup {
        tag(
            "text", ["x": "\(x)", "y": "\(y)", "text-anchor": anchor, "class": name], .text(Visible.line(text)))
    }

    /// What the colors mean.
    private func key(_ map: Report.Heatmap) -> Markup {
        let (low, high) = map.limits
        let isDiverging = map.coloring == .diverging
        let steps =
            isDiverging
            ? [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1] : [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]
        let swatches = steps.enumerated().map { index, strength in
            tag(
                "rect",
                [
                    "x": "\(index * 14)", "y": "0", "width": "14", "height": "10",
                    "class": strength < 0 ? "negative" : "positive",
                    "fill-opacity": Numeral.decimal(strength.magnitude)
                ])
        }
        // Zero stands below the middle.
        let zero = tag("text", ["x": "\(7 * steps.count)", "y": "23", "text-anchor": "middle"], "0")
        let blank = map.limits.high * Report.Heatmap.threshold
        return tag(
            "p", ["class": "key"],
            tag("span", [:], .text(Numeral.short(isDiverging ? -high : low))),
            tag(
                "svg",
                [
                    "xmlns": "http://www.w3.org/2000/svg", "width": "\(14 * steps.count)",
                    "height": isDiverging ? "26" : "10", "aria-hidden": "true"
                ], swatches + (isDiverging ? [zero] : [])),
            .text(Numeral.short(high)),
            .text(isDiverging && blank > 0 ? "; blank within \(Numeral.short(blank)) of 0" : ""))
    }
}
