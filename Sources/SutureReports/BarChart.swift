extension Report {
    /// Horizontal bars from zero; values may be negative and carry an interval.
    public struct BarChart: Sendable, Figure {
        public var caption: String
        /// What the values measure, with the unit.
        public var axis: String
        public var bars: [Bar]
        /// The names of what bars belong to, each with a color of its own; empty where they are all of one kind.
        public var groups: [String]

        /// Bars on one axis, which has a title, each in the color of its group if there are any.
        public init(caption: String, axis: String, bars: [Bar], groups: [String] = []) {
            self.caption = caption
            self.axis = axis
            self.bars = bars
            self.groups = groups
        }

        var scale: Scale {
            Scale(covering: bars.flatMap { [$0.value, $0.low, $0.high].compactMap(\.self) } + [0])
        }

        /// A value as it is written beside the longest bar.
        func number(_ value: Double) -> String {
            Numeral.short(
                value, beside: bars.map(\.value.magnitude).filter(\.isFinite).max() ?? 0, share: 1e-4)
        }

        var values: Table {
            let hasIntervals = bars.contains { $0.low != nil || $0.high != nil }
            let columns: [Table.Column] =
                ["", .number(axis)] + (hasIntervals ? [.number("low"), .number("high")] : [])
            return Table(
                columns: columns,
                rows: bars.map { bar in
                    let numbers: [Double?] = [bar.value] + (hasIntervals ? [bar.low, bar.high] : [])
                    return [.init(Visible.label(bar.label))] + numbers.map { .init($0.map(number) ?? "") }
                })
        }
    }
}

extension Report.BarChart {
    /// A bar, with the ends of its interval of uncertainty where that is known.
    public struct Bar: Sendable {
        public var label: String
        public var value: Double
        public var low: Double?
        public var high: Double?
        /// Which of the chart's groups it belongs to.
        public var group: Int?

        /// A bar with its label, and an interval if it has one.
        public init(_ label: String, _ value: Double, low: Double? = nil, high: Double? = nil, group: Int? = nil) {
            self.group = group
            self.label = label
            self.value = value
            self.low = low
            self.high = high
        }
    }
}
