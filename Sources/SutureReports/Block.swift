extension Report {
    /// One piece of a report, in reading order.
    public enum Block: Sendable {
        case heading(String)
        case paragraph(String)
        case facts([Fact])
        case table(Table)
        case tokenStrip(TokenStrip)
        case barChart(BarChart)
        case heatmap(Heatmap)
        case plot(Plot)
        case comparison(Comparison)
        case gallery(Gallery)
        /// What HTML and Markdown show and a terminal leaves out: details that would bury what was asked for.
        case onPages([Block])
        /// What a terminal shows in place of such details.
        case inTerminal([Block])
    }

    /// A name and its value, such as `Method: gap step`.
    public struct Fact: Sendable {
        public var name: String
        public var value: String

        /// A name and its value.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }
}

/// A block that is drawn: it says what it shows, and can be read as a table instead.
protocol Figure {
    var caption: String { get }
    /// Every value of the figure.
    var values: Report.Table { get }
}
