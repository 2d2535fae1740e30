extension Report {
    /// Points or lines over two axes, such as fix rate against side effects over a sweep of scales.
    public struct Plot: Sendable, Figure {
        public var caption: String
        public var x: Axis
        public var y: Axis
        public var series: [Series]

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
    /// What is measured along one side. On a logarithmic axis values up to zero are left out of the drawing.
    public struct Axis: Sendable {
        public var title: String
        public var isLogarithmic: Bool

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

        public init(_ x: Double, _ y: Double, low: Double? = nil, high: Double? = nil, label: String? = nil) {
            (self.x, self.y, self.low, self.high) = (x, y, low, high)
            self.label = label
        }
    }
}
