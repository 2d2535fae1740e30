extension Parser {
    /// Reads expressions separated by commas: a tuple if there is a comma.
    mutating func tuple(
        isConditionalAllowed: Bool = true, end: String? = nil, inParentheses: Bool = false
    ) throws(TemplateError) -> Expression {
        let line = line
        var items: [Expression] = []
        var isTuple = false
        while !isTupleEnd(end) {
            items.append(isConditionalAllowed ? try expression() : try operation(.or))
            guard isSymbol(",") else { break }
            isTuple = true
            advance()
        }
        if !isTuple, let first = items.first { return first }
        guard isTuple || inParentheses else { throw fail("an expression should stand where \(current) is") }
        return try node(.tuple(items), line: line)
    }

    private func isTupleEnd(_ end: String?) -> Bool {
        switch current {
        case .variableEnd, .blockEnd, .symbol(")"): true
        case .name(let name): name == end
        default: false
        }
    }

    /// Reads an expression, `a if b else c` included.
    mutating func expression() throws(TemplateError) -> Expression {
        try enter()
        defer { leave() }
        let start = index
        var result = try operation(.or)
        guard isName("if") else { return result }
        // Once known to be conditional, read it anew: an unknown filter in it matters only when it is reached.
        conditions += 1
        defer { conditions -= 1 }
        if conditions == 1 {
            index = start
            result = try operation(.or)
        }
        while isName("if") {
            let line = line
            advance()
            let test = try operation(.or)
            let otherwise = skip(.name("else")) ? try expression() : nil
            result = try node(.conditional(test: test, then: result, otherwise: otherwise), line: line)
        }
        return result
    }

    /// The levels of operators, loosest first.
    enum Level: Int {
        case or, and, not, comparison, sum, concatenation, product, power

        var tighter: Level { Level(rawValue: rawValue + 1) ?? .power }
    }

    mutating func operation(_ level: Level) throws(TemplateError) -> Expression {
        let line = line
        switch level {
        case .not:
            var count = 0
            while skip(.name("not")) { count += 1 }
            guard count <= limits.nesting else {
                throw TemplateError(.limit, line: line, "more than \(limits.nesting) times 'not'")
            }
            var value = try operation(.comparison)
            for _ in 0..<count { value = try node(.not(value), line: line) }
            return value
        case .comparison: return try comparison()
        case .concatenation:
            var parts = [try operation(.product)]
            while skip(.symbol("~")) { parts.append(try operation(.product)) }
            return parts.count == 1 ? parts[0] : try node(.concatenation(parts), line: line)
        case .or, .and, .sum, .product, .power: break
        }
        var left = level == .power ? try unary() : try operation(level.tighter)
        while let kind = binary(level) {
            let line = self.line
            advance()
            let right = level == .power ? try unary() : try operation(level.tighter)
            switch kind {
            case .or: left = try node(.or(left, right), line: line)
            case .and: left = try node(.and(left, right), line: line)
            case .arithmetic(let operation): left = try node(.binary(operation, left, right), line: line)
            }
        }
        return left
    }

    private enum Binary {
        case or, and
        case arithmetic(Expression.Operator)
    }

    private func binary(_ level: Level) -> Binary? {
        switch (level, current) {
        case (.or, .name("or")): return .or
        case (.and, .name("and")): return .and
        case (.sum, .symbol(let symbol)) where symbol == "+" || symbol == "-",
            (.product, .symbol(let symbol)) where ["*", "/", "//", "%"].contains(symbol),
            (.power, .symbol(let symbol)) where symbol == "**":
            return Expression.Operator(rawValue: symbol).map { .arithmetic($0) }
        default: return nil
        }
    }

    private mutating func comparison() throws(TemplateError) -> Expression {
        let line = line
        let left = try operation(.sum)
        var rest: [(Expression.Comparison, Expression)] = []
        while true {
            let comparison: Expression.Comparison
            switch current {
            case .symbol(let symbol):
                guard let found = Expression.Comparison(rawValue: symbol) else {
                    return rest.isEmpty ? left : try node(.comparison(left, rest), line: line)
                }
                comparison = found
            case .name("in"): comparison = .contained
            case .name("not") where next == .name("in"):
                advance()
                comparison = .notContained
            default: return rest.isEmpty ? left : try node(.comparison(left, rest), line: line)
            }
            advance()
            rest.append((comparison, try operation(.sum)))
        }
    }

    private mutating func unary(withFilters: Bool = true) throws(TemplateError) -> Expression {
        let line = line
        var value: Expression
        switch current {
        case .symbol("-"), .symbol("+"):
            try enter()
            defer { leave() }
            let isNegative = isSymbol("-")
            advance()
            let inner = try unary(withFilters: false)
            value = try node(isNegative ? .negative(inner) : .positive(inner), line: line)
        default: value = try primary()
        }
        value = try postfix(of: value)
        return withFilters ? try filters(of: value) : value
    }

    mutating func primary() throws(TemplateError) -> Expression {
        let line = line
        switch current {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return try node(.constant(.bool(true)), line: line)
            case "false", "False": return try node(.constant(.bool(false)), line: line)
            case "none", "None": return try node(.constant(.null), line: line)
            default:
                if ["varargs", "kwargs", "caller"].contains(name) { specialNames.insert(name) }
                return try node(.name(name), line: line)
            }
        case .string(var text):
            advance()
            while case .string(let more) = current {
                text += more
                advance()
            }
            return try node(.constant(.string(text)), line: line)
        case .int(let number):
            advance()
            return try node(.constant(.int(number)), line: line)
        case .float(let number):
            advance()
            return try node(.constant(.float(number)), line: line)
        case .symbol("("):
            advance()
            try enter()
            defer { leave() }
            let value = try tuple(inParentheses: true)
            try expect(.symbol(")"))
            return value
        case .symbol("["):
            advance()
            var items: [Expression] = []
            while !isSymbol("]") {
                if !items.isEmpty { try expect(.symbol(",")) }
                if isSymbol("]") { break }
                items.append(try expression())
            }
            try expect(.symbol("]"))
            return try node(.list(items), line: line)
        case .symbol("{"): return try dictionary()
        default: throw fail("an expression should stand where \(current) is")
        }
    }

    private mutating func dictionary() throws(TemplateError) -> Expression {
        let line = line
        advance()
        var entries: [(key: Expression, value: Expression)] = []
        while !isSymbol("}") {
            if !entries.isEmpty { try expect(.symbol(",")) }
            if isSymbol("}") { break }
            let key = try expression()
            try expect(.symbol(":"))
            entries.append((key, try expression()))
        }
        try expect(.symbol("}"))
        return try node(.dictionary(entries), line: line)
    }
}
