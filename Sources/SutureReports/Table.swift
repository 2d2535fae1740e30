extension Report {
    /// Rows of text under named columns. Numbers are formatted by whoever makes the table.
    public struct Table: Sendable {
        public var caption: String?
        public var columns: [Column]
        /// Short rows are filled up with empty cells, surplus cells are not shown.
        public var rows: [[Cell]]

        /// Rows of cells under columns; short rows are filled up.
        public init(caption: String? = nil, columns: [Column], rows: [[Cell]]) {
            self.caption = caption
            self.columns = columns
            self.rows = rows
        }

        /// The rows, each exactly as long as there are columns.
        var paddedRows: [[Cell]] {
            rows.map { row in columns.indices.map { $0 < row.count ? row[$0] : "" } }
        }
    }
}

extension Report.Table {
    /// A column; a string literal makes one that is aligned left.
    public struct Column: Sendable, ExpressibleByStringLiteral {
        public var title: String
        public var alignment: Alignment
        /// Set in a fixed-width face, spaces and line breaks shown: for code and tokens.
        public var isCode: Bool

        /// A column with its title.
        public init(_ title: String, alignment: Alignment = .left, isCode: Bool = false) {
            self.title = title
            self.alignment = alignment
            self.isCode = isCode
        }

        /// A column of text by its title.
        public init(stringLiteral value: String) {
            self.init(value)
        }

        /// A column of numbers, aligned right.
        public static func number(_ title: String) -> Column { Column(title, alignment: .right) }
        /// A column of code or tokens.
        public static func code(_ title: String) -> Column { Column(title, isCode: true) }
    }

    /// The side to which a column is aligned.
    public enum Alignment: Sendable {
        case left, right
    }

    /// A cell; a string literal makes a plain one.
    public struct Cell: Sendable, ExpressibleByStringLiteral {
        public var text: String
        public var highlight: Report.Tone?

        /// A cell with its text, marked or not.
        public init(_ text: String, highlight: Report.Tone? = nil) {
            self.text = text
            self.highlight = highlight
        }

        /// A cell by its text.
        public init(stringLiteral value: String) {
            self.init(value)
        }
    }
}
