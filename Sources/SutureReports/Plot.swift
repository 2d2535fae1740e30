extension Report {
    /// Points or lines over two axes, such as fix rate against side effects over a sweep of scales.
    public struct Plot: Sendable, Figure {
        public var caption: String
        public var x: Axis
        public var y: Axis
        public var series: [Series]

        /// Series over two axes.
        public init(caption: String, x: Axis, y: Axis, series: [Series]) {
            self.caption = caption
            self.x = x
            self.y = y
            self.series = series
        }

        var xScale: Scale { x.scale(series.flatMap { $0.points.map(\.x) }) }
        var yScale: Scale {
            y.scale(series.flatMap { $0.points.flatMap { [$0.y, $0.low, $0.high].compactMap(\.self) } })
        }

        var values: Table {
            let isNamed = series.contains { !$0.name.isEmpty }
            let isLabeled = series.contains { $0.points.contains { $0.label != nil } }
            let name: [Table.Column] = isNamed ? ["series"] : []
            let label: [Table.Column] = isLabeled ? ["label"] : []
            let hasIntervals = series.contains { $0.points.contains { $0.low != nil || $0.high != nil } }
            let interval: [Table.Column] = hasIntervals ? [.number("low"), .number("high")] : []
            return Table(
                columns: name + [.number(x.title), .number(y.title)] + interval + label,
                rows: series.flatMap { series in
                    series.points.map { point in
                        let name: [Table.Cell] = isNamed ? [.init(Visible.label(series.name))] : []
                        let ends = hasIntervals ? [point.low, point.high] : []
                        return name + ([point.x, point.y] + ends).map { .init($0.map(Numeral.short) ?? "") }
                            + [.init(point.label ?? "")]
                    }
                })
        }
    }
}

extension Report.Plot {
    /// Whether there are more points than anybody reads as a table, as of a histogram.
    var isLong: Bool { series.reduce(0) { $0 + $1.points.count } > 40 }

    /// A row for each series: where it lies, and where it is highest.
    var summary: Report.Table {
        Report.Table(
            columns: [
                "series", .number("points"), .number("\(x.title), from"), .number("to"), .number("highest \(y.title)"),
                .number("there")
            ],
            rows: series.map { series in
                let points = series.points.filter { $0.x.isFinite && $0.y.isFinite }
                let highest = points.max { $0.y < $1.y }
                let numbers = [points.map(\.x).min(), points.map(\.x).max(), highest?.y, highest?.x]
                return [.init(Visible.label(series.name)), .init("\(series.points.count)")]
                    + numbers.map { .init($0.map(Numeral.short) ?? "–") }
            })
    }
}

extension Report.Plot {
    /// What is measured along one side. On a logarithmic axis values up to zero are left out of the drawing.
    public struct Axis: Sendable {
        public var title: String
        public var isLogarithmic: Bool

        /// An axis with a title.
        public init(_ title: String, isLogarithmic: Bool = false) {
            self.title = title
            self.isLogarithmic = isLogarithmic
        }

        func scale(_ values: [Double]) -> Scale {
            isLogarithmic ? Scale(logarithmicCovering: values) : Scale(covering: values)
        }
    }

    /// Points that belong together.
    public struct Series: Sendable {
        public var name: String
        public var points: [Point]
        /// Joined in the order given.
        public var isLine: Bool

        /// Points under a name, joined to a line or not.
        public init(_ name: String, points: [Point], isLine: Bool = false) {
            self.name = name
            self.points = points
            self.isLine = isLine
        }
    }

    /// A point of a series.
    public struct Point: Sendable {
        public var x: Double
        public var y: Double
        /// Written beside the point where there is room.
        public var label: String?
        /// The ends of the interval of `y`, where that is known.
        public var low: Double?
        public var high: Double?

        /// A point with its interval, and what is written beside it.
        public init(_ x: Double, _ y: Double, low: Double? = nil, high: Double? = nil, label: String? = nil) {
            (self.x, self.y, self.low, self.high) = (x, y, low, high)
            self.label = label
        }
    }
}
