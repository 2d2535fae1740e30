/// A node of an expression, with the line it stands on and the height of the tree under it.
final class Expression: Sendable {
    enum Operator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case floorDivide = "//"
        case modulo = "%"
        case power = "**"
    }

    enum Comparison: String, Sendable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case contained = "in"
        case notContained = "not in"
    }

    struct Arguments: Sendable {
        var positional: [Expression] = []
        var keywords: [(name: String, value: Expression)] = []
        var spread: Expression?
        var keywordSpread: Expression?
    }

    indirect enum Kind: Sendable {
        case constant(TemplateValue)
        case name(String)
        /// The text of the block that a filter block or a block `set` filters.
        case captured
        case list([Expression])
        case tuple([Expression])
        case dictionary([(key: Expression, value: Expression)])
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression, start: Expression?, stop: Expression?, step: Expression?)
        case call(Expression, Arguments)
        case filter(Expression, String, Arguments)
        case test(Expression, String, Arguments)
        case negative(Expression)
        case positive(Expression)
        case not(Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case binary(Operator, Expression, Expression)
        case concatenation([Expression])
        case comparison(Expression, [(Comparison, Expression)])
        case conditional(test: Expression, then: Expression, otherwise: Expression?)
    }

    let kind: Kind
    let line: Int
    let height: Int

    init(_ kind: Kind, line: Int) {
        self.kind = kind
        self.line = line
        height = 1 + (kind.children.map(\.height).max() ?? 0)
    }
}

extension Expression.Kind {
    fileprivate var children: [Expression] {
        switch self {
        case .constant, .name, .captured: []
        case .list(let items), .tuple(let items), .concatenation(let items): items
        case .dictionary(let entries): entries.flatMap { [$0.key, $0.value] }
        case .attribute(let value, _), .negative(let value), .positive(let value), .not(let value): [value]
        case .item(let left, let right), .and(let left, let right), .or(let left, let right),
            .binary(_, let left, let right):
            [left, right]
        case .slice(let value, let start, let stop, let step): [value] + [start, stop, step].compactMap(\.self)
        case .call(let value, let arguments), .filter(let value, _, let arguments),
            .test(let value, _, let arguments):
            [value] + arguments.all
        case .comparison(let value, let rest): [value] + rest.map(\.1)
        case .conditional(let test, let then, let otherwise): [test, then] + [otherwise].compactMap(\.self)
        }
    }
}

extension Expression.Arguments {
    fileprivate var all: [Expression] {
        positional + keywords.map(\.value) + [spread, keywordSpread].compactMap(\.self)
    }
}
