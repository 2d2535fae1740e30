extension Report {
    /// The tokens of an answer, each with its probability before and after.
    public struct TokenStrip: Sendable, Figure {
        public var caption: String
        public var tokens: [Token]

        /// Tokens of an answer under a caption.
        public init(caption: String, tokens: [Token]) {
            self.caption = caption
            self.tokens = tokens
        }

        var values: Table {
            Table(
                columns: [.code("token"), "state", .code("instead"), .number("before"), .number("after")],
                rows: tokens.map { token in
                    [
                        .init(token.text), .init(token.state.rawValue), .init(token.instead ?? ""),
                        .init(Numeral.percent(token.before)), .init(Numeral.percent(token.after))
                    ]
                })
        }
    }
}

extension Report.TokenStrip {
    /// One token of the answer.
    public struct Token: Sendable {
        public var text: String
        /// Probability before the change, 0...1; nil where it was not measured.
        public var before: Double?
        /// Probability after the change, 0...1; nil where it was not measured.
        public var after: Double?
        public var state: State
        /// What the model said in this place, where that was something else.
        public var instead: String?

        /// A token with its probability before and after.
        public init(
            _ text: String, before: Double?, after: Double?, state: State = .unchanged, instead: String? = nil
        ) {
            self.text = text
            self.before = before
            self.after = after
            self.state = state
            self.instead = instead
        }
    }

    /// What became of a token.
    public enum State: String, Sendable, CaseIterable {
        case unchanged, fixed, wrong

        var symbol: String {
            switch self {
            case .unchanged: ""
            case .fixed: "✓"
            case .wrong: "✗"
            }
        }
    }
}
