import Foundation

extension HTMLRenderer {
    // Drawings stretch with the page: positions across are percentages, heights and text are pixels,
    // so that text keeps its size on a phone.

    func tokenStrip(_ strip: Report.TokenStrip) -> [Markup] {
        let key = tag(
            "p", ["class": "key", "aria-hidden": "true"],
            tag("span", ["class": "swatch before"]), "before ", tag("span", ["class": "swatch after"]), "after")
        let boxes = strip.tokens.map { token in
            tag(
                "li", ["class": "token \(token.state)"],
                tag(
                    "span", ["class": "label"], tag("code", [:], .text(Visible.token(token.text))),
                    tag("span", ["class": "state", "title": token.state.rawValue], .text(token.state.symbol))),
                probability("before", token.before), probability("after", token.after),
                tag(
                    "span", ["class": "instead", "title": token.instead.map(Visible.token)],
                    token.instead.map { [.text("was "), tag("code", [:], .text(Visible.token($0)))] } ?? []))
        }
        return [key, tag("ol", ["class": "tokens"], boxes)]
    }

    private func probability(_ when: String, _ value: Double?) -> Markup {
        let text = Numeral.percent(value)
        let fraction = value.flatMap { $0.isFinite ? min(max($0, 0), 1) : nil } ?? 0
        return tag(
            "span", ["class": "probability"],
            drawing(
                "\(when): \(text)", height: 8,
                [
                    rectangle(x: 0, width: 1, y: 0, height: 8, class: "track"),
                    rectangle(x: 0, width: fraction, y: 0, height: 8, class: when)
                ]),
            tag("span", ["aria-hidden": "true"], .text(text)))
    }

    func barChart(_ chart: Report.BarChart) -> [Markup] {
        let scale = chart.scale
        let zero = scale.fraction(0) ?? 0
        let grid = scale.ticks.map { tick in
            let x = scale.fraction(tick) ?? 0
            return line(x, 0, x, 28, class: tick == 0 ? "axis" : "grid")
        }
        let rows = chart.bars.flatMap { bar -> [Markup] in
            let value = chart.number(bar.value)
            let label = Visible.label(bar.label)
            var shapes = grid
            if let end = scale.fraction(bar.value) {
                shapes.append(
                    rectangle(
                        x: min(zero, end), width: abs(end - zero), y: 6, height: 16,
                        class: bar.group.map { "fill\($0 % Self.colors)" }
                            ?? (bar.value < 0 ? "negative" : "positive")))
            }
            if let low = bar.low.flatMap(scale.fraction), let high = bar.high.flatMap(scale.fraction) {
                shapes.append(line(low, 14, high, 14, class: "interval"))
                shapes += [low, high].map { line($0, 10, $0, 18, class: "interval") }
            }
            return [
                tag("span", ["class": "label"], .text(label)),
                drawing("\(label): \(value)", height: 28, shapes),
                tag("span", ["class": "value"], .text(value))
            ]
        }
        let axis = [
            tag("span", ["class": "label"]),
            drawing(chart.axis, height: 40, xAxis(scale, title: chart.axis, y: 0)),
            tag("span", [:])
        ]
        return key(chart.groups) + [tag("div", ["class": "bars"], rows + axis)]
    }

    /// Which color a group of bars has.
    private func key(_ groups: [String]) -> [Markup] {
        guard !groups.isEmpty else { return [] }
        return [
            tag(
                "ul", ["class": "legend"],
                groups.enumerated().map { index, name in
                    tag(
                        "li", [:], tag("span", ["class": "swatch fill\(index % Self.colors)"]),
                        .text(Visible.label(name)))
                })
        ]
    }

    func gallery(_ gallery: Report.Gallery) -> [Markup] {
        let items = gallery.pictures.map { picture in
            tag(
                "li", [:],
                tag(
                    "img",
                    [
                        "src": "data:image/png;base64," + Data(picture.png).base64EncodedString(),
                        "alt": Visible.line("\(picture.title): \(picture.text)")
                    ]),
                tag("span", ["class": "title"], .text(Visible.label(picture.title))),
                tag("span", ["class": "text"], .text(Visible.line(picture.text))))
        }
        return [tag("ul", ["class": "gallery"], items)]
    }

    func comparison(_ comparison: Report.Comparison) -> [Markup] {
        let spans = comparison.spans
        func side(_ title: String, _ spans: [Report.Comparison.Span], change: String) -> Markup {
            tag(
                "div", [:],
                tag("h3", [:], .text(title)),
                tag(
                    "pre", [:],
                    tag(
                        "code", [:],
                        spans.map { span in
                            span.isChanged ? tag(change, [:], .text(span.text)) : .text(span.text)
                        })))
        }
        return [
            tag(
                "div", ["class": "sides"],
                side(comparison.beforeTitle, spans.before, change: "del"),
                side(comparison.afterTitle, spans.after, change: "ins"))
        ]
    }

    // MARK: Shapes; x and width are fractions of the drawing, y and height pixels.

    func drawing(_ label: String, height: Int, _ shapes: [Markup]) -> Markup {
        tag(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": label, "width": "100%",
                "height": "\(height)"
            ], [tag("title", [:], .text(label))] + shapes)
    }

    func rectangle(x: Double, width: Double, y: Int, height: Int, class name: String) -> Markup {
        tag(
            "rect",
            ["x": percent(x), "y": "\(y)", "width": percent(width), "height": "\(height)", "rx": "2", "class": name])
    }

    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, class name: String) -> Markup {
        tag(
            "line",
            [
                "x1": percent(x1), "y1": Numeral.decimal(y1), "x2": percent(x2), "y2": Numeral.decimal(y2),
                "class": name
            ])
    }

    func percent(_ fraction: Double) -> String {
        Numeral.decimal(fraction * 100) + "%"
    }

    /// Ticks and title below a drawing.
    func xAxis(_ scale: Scale, title: String, y: Int) -> [Markup] {
        scale.ticks.enumerated().map { index, tick in
            // Where there are many, every other label gives way on a narrow screen.
            tag(
                "text",
                [
                    "x": percent(scale.fraction(tick) ?? 0), "y": "\(y + 14)", "text-anchor": "middle",
                    "class": index.isMultiple(of: 2) || scale.ticks.count < 5 ? "tick" : "tick odd"
                ], .text(scale.label(tick)))
        } + [
            tag(
                "text", ["x": "50%", "y": "\(y + 34)", "text-anchor": "middle", "class": "axis-title"],
                .text(Visible.line(title)))
        ]
    }
}
