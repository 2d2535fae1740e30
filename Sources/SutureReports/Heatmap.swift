extension Report {
    /// A grid of values, such as the effect of a patch by layer and position.
    public struct Heatmap: Sendable, Figure {
        public var caption: String
        public var rowTitle: String
        public var columnTitle: String
        public var rows: [String]
        public var columns: [String]
        /// `[rows, columns]`; what is missing or not a number is drawn as a gap.
        public var cells: [[Double]]
        public var coloring: Coloring

        /// A grid of cells `[rows, columns]` with the names of both.
        public init(
            caption: String, rowTitle: String, rows: [String], columnTitle: String, columns: [String],
            cells: [[Double]], coloring: Coloring
        ) {
            self.caption = caption
            self.rowTitle = rowTitle
            self.rows = rows
            self.columnTitle = columnTitle
            self.columns = columns
            self.cells = cells
            self.coloring = coloring
        }

        /// The value at a place, NaN where there is none.
        func value(_ row: Int, _ column: Int) -> Double {
            row < cells.count && column < cells[row].count ? cells[row][column] : .nan
        }

        /// A value below this share of the greatest is drawn as nothing, where colors go to both sides of zero.
        static let threshold = 0.05

        /// Whether a value is too near to zero to be drawn.
        func isBlank(_ value: Double) -> Bool {
            guard coloring == .diverging, let strength = strength(of: value) else { return false }
            return strength.magnitude < Self.threshold
        }

        /// The up to five cells that are farthest from zero, strongest first; none where the map is of something else than
        /// distances from zero.
        var strongest: [(row: Int, column: Int, value: Double)] {
            guard coloring == .diverging, rows != columns else { return [] }
            let cells = rows.indices.flatMap { row in
                columns.indices.map { (row: row, column: $0, value: value(row, $0)) }
            }
            let drawn = cells.filter { $0.value.isFinite && !isBlank($0.value) && $0.value != 0 }
            return Array(drawn.sorted { $0.value.magnitude > $1.value.magnitude }.prefix(5))
        }

        /// `Strongest: layer 20, token " Mary" 0.93; ...`
        var strongestLine: String? {
            guard !strongest.isEmpty else { return nil }
            let cells = strongest.map { cell in
                "\(rowTitle) \(Visible.label(rows[cell.row])), \(columnTitle) \(Visible.label(columns[cell.column])): "
                    + number(cell.value)
            }
            return "Strongest: " + cells.joined(separator: "; ")
        }

        /// A value as it is written; of what is nothing beside the greatest only that it is.
        func number(_ value: Double) -> String {
            coloring == .diverging ? Numeral.short(value, beside: limits.high, share: 1e-3) : Numeral.short(value)
        }

        private var finite: [Double] {
            rows.indices.flatMap { row in columns.indices.map { value(row, $0) } }.filter(\.isFinite)
        }

        /// The values at no color and at full color.
        var limits: (low: Double, high: Double) {
            switch coloring {
            case .diverging: (0, finite.map(\.magnitude).max() ?? 0)
            case .sequential: (finite.min() ?? 0, finite.max() ?? 0)
            }
        }

        /// How strongly a value is colored: -1...1, negative only when diverging; nil for a gap.
        func strength(of value: Double) -> Double? {
            guard value.isFinite else { return nil }
            let (low, high) = limits
            // Halves keep the difference of huge values finite.
            let span = high / 2 - low / 2
            guard span > 0 else { return coloring == .diverging ? 0 : 0.5 }
            return (value / 2 - low / 2) / span
        }

        var values: Table {
            Table(
                columns: [.init("\(rowTitle) \\ \(columnTitle)")] + columns.map { .number(Visible.label($0)) },
                rows: rows.indices.map { row in
                    [.init(Visible.label(rows[row]))] + columns.indices.map { .init(number(value(row, $0))) }
                })
        }
    }
}

extension Report.Heatmap {
    /// What the colors of cells stand for.
    public enum Coloring: Sendable {
        /// From zero to both sides: blue above, orange below.
        case diverging
        /// From the least to the greatest value.
        case sequential
    }
}
