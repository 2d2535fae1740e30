extension HTMLRenderer {
    private static let plotHeight = 300.0

    /// How many colors, and marks, there are for groups and series.
    static var colors: Int { markerPaths.count }

    func plot(_ plot: Report.Plot) -> [Markup] {
        let x = plot.xScale
        let y = plot.yScale
        func height(_ fraction: Double) -> Double { Self.plotHeight * (1 - fraction) }

        var shapes = x.ticks.map { line(x.fraction($0) ?? 0, 0, x.fraction($0) ?? 0, Self.plotHeight, class: "grid") }
        shapes += y.ticks.map { line(0, height(y.fraction($0) ?? 0), 1, height(y.fraction($0) ?? 0), class: "grid") }
        shapes += [
            line(0, 0, 0, Self.plotHeight, class: "axis"), line(0, Self.plotHeight, 1, Self.plotHeight, class: "axis")
        ]

        var marks: [Mark] = []
        var segments: [(from: Mark, to: Mark)] = []
        for (index, series) in plot.series.enumerated() {
            let color = index % Self.markerPaths.count
            var previous: Mark?
            for point in series.points {
                guard let across = x.fraction(point.x), let up = y.fraction(point.y) else {
                    // A gap in the data is a gap in the line.
                    previous = nil
                    continue
                }
                let mark = Mark(x: across, y: height(up), series: color, name: series.name, point: point)
                if series.isLine, let previous {
                    segments.append((previous, mark))
                    shapes.append(line(previous.x, previous.y, mark.x, mark.y, class: "line series\(color)"))
                }
                previous = mark
                marks.append(mark)
                if let low = point.low.flatMap(y.fraction), let high = point.high.flatMap(y.fraction) {
                    shapes.append(line(across, height(low), across, height(high), class: "series\(color)"))
                }
            }
        }
        shapes += marks.map(marker) + labels(of: marks, besides: segments)
        let height = Int(Self.plotHeight)
        let yAxis = y.ticks.map { tick in
            tag(
                "text",
                [
                    "x": "100%", "y": Numeral.decimal(Self.plotHeight * (1 - (y.fraction(tick) ?? 0)) + 4),
                    "dx": "-8", "text-anchor": "end", "class": "tick"
                ], .text(y.label(tick)))
        }
        return legend(plot.series) + [
            tag("p", ["class": "y-title", "aria-hidden": "true"], .text(Visible.line(plot.y.title))),
            tag(
                "div", ["class": "plot"],
                tag("div", ["class": "y-axis", "aria-hidden": "true"], drawing(plot.y.title, height: height, yAxis)),
                drawing(plot.caption, height: height + 44, shapes + xAxis(x, title: plot.x.title, y: height + 4)))
        ]
    }

    /// A point of a plot where it is drawn: x as a fraction, y in pixels from the top.
    private struct Mark {
        var x: Double
        var y: Double
        var series: Int
        var name: String
        var point: Report.Plot.Point
    }

    private func marker(_ mark: Mark) -> Markup {
        let place = "\(Numeral.short(mark.point.x)), \(Numeral.short(mark.point.y))"
        let name = Visible.line([mark.name, mark.point.label ?? ""].filter { !$0.isEmpty }.joined(separator: ", "))
        // A nested drawing, because only its corner can be placed by percentages.
        return tag(
            "svg", ["x": percent(mark.x), "y": Numeral.decimal(mark.y), "overflow": "visible"],
            tag(
                "path", ["d": Self.markerPaths[mark.series], "class": "marker series\(mark.series)"],
                tag("title", [:], .text("\(name): \(place)"))))
    }

    /// Circle, square, triangle, diamond, cross, plus: series differ in shape as well as in color.
    private static let markerPaths = [
        "M-4.5,0a4.5,4.5 0 1 0 9,0a4.5,4.5 0 1 0 -9,0z", "M-4,-4h8v8h-8z", "M0,-5.2l5,8.8h-10z",
        "M0,-5.5l5.5,5.5l-5.5,5.5l-5.5,-5.5z", "M-4.5,-4.5l9,9m0,-9l-9,9", "M0,-5.5v11m-5.5,-5.5h11"
    ]

    private func legend(_ series: [Report.Plot.Series]) -> [Markup] {
        let named = series.enumerated().filter { !$0.element.name.isEmpty }
        guard !named.isEmpty else { return [] }
        return [
            tag(
                "ul", ["class": "legend"],
                named.map { index, series in
                    let color = index % Self.markerPaths.count
                    return tag(
                        "li", [:],
                        tag(
                            "svg",
                            [
                                "xmlns": "http://www.w3.org/2000/svg", "width": "14", "height": "14",
                                "viewBox": "-7 -7 14 14", "aria-hidden": "true"
                            ], tag("path", ["d": Self.markerPaths[color], "class": "marker series\(color)"])),
                        .text(Visible.label(series.name)))
                })
        ]
    }

    /// The labels for which there is room beside their points, on a phone and on a wide page.
    private func labels(of marks: [Mark], besides segments: [(from: Mark, to: Mark)]) -> [Markup] {
        var obstacles = marks.map { (x: $0.x, y: $0.y) }
        for (from, to) in segments {
            for part in 1..<16 {
                let t = Double(part) / 16
                obstacles.append((from.x + (to.x - from.x) * t, from.y + (to.y - from.y) * t))
            }
        }
        var taken: [(mark: Mark, place: LabelPlace, width: Double)] = []
        var result: [Markup] = []
        for mark in marks {
            guard let label = mark.point.label, !label.isEmpty else { continue }
            let text = truncated(Visible.line(label), to: 24)
            let width = Double(displayWidth(text)) * 6.6
            let free = LabelPlace.allCases.first { place in
                [280.0, 720.0].allSatisfy { pageWidth in
                    let box = place.box(x: mark.x * pageWidth, y: mark.y, width: width)
                    return box.left >= 0 && box.right <= pageWidth && box.top >= 0 && box.bottom <= Self.plotHeight
                        && obstacles.allSatisfy { !box.touches(x: $0.x * pageWidth, y: $0.y) }
                        && taken.allSatisfy { other in
                            !box.overlaps(
                                other.place.box(x: other.mark.x * pageWidth, y: other.mark.y, width: other.width))
                        }
                }
            }
            guard let place = free else { continue }
            taken.append((mark, place, width))
            result.append(
                tag(
                    "text",
                    [
                        "x": percent(mark.x), "y": Numeral.decimal(mark.y), "dx": Numeral.decimal(place.shift.x),
                        "dy": Numeral.decimal(place.shift.y), "text-anchor": place.anchor, "class": "point-label"
                    ], .text(text)))
        }
        return result
    }
}

/// Where a label stands to its point.
private enum LabelPlace: CaseIterable {
    case right, left, above, below, lowerRight, upperLeft, upperRight, lowerLeft

    var shift: (x: Double, y: Double) {
        switch self {
        case .right: (9, 4)
        case .left: (-9, 4)
        case .above: (0, -9)
        case .below: (0, 18)
        case .lowerRight: (7, 16)
        case .upperLeft: (-7, -7)
        case .upperRight: (7, -7)
        case .lowerLeft: (-7, 16)
        }
    }

    var anchor: String {
        switch self {
        case .right, .lowerRight, .upperRight: "start"
        case .left, .lowerLeft, .upperLeft: "end"
        case .above, .below: "middle"
        }
    }

    func box(x: Double, y: Double, width: Double) -> LabelBox {
        let start =
            switch self {
            case .right, .lowerRight, .upperRight: x + shift.x
            case .left, .lowerLeft, .upperLeft: x + shift.x - width
            case .above, .below: x - width / 2
            }
        return LabelBox(left: start, right: start + width, top: y + shift.y - 11, bottom: y + shift.y + 3)
    }
}

private struct LabelBox {
    var left, right, top, bottom: Double

    func overlaps(_ other: LabelBox) -> Bool {
        left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }

    func touches(x: Double, y: Double) -> Bool {
        overlaps(LabelBox(left: x - 4, right: x + 4, top: y - 4, bottom: y + 4))
    }
}
