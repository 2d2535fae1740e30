extension Parser {
    /// Reads attributes, items and calls after a value.
    mutating func postfix(of value: Expression) throws(TemplateError) -> Expression {
        var value = value
        while true {
            let line = line
            switch current {
            case .symbol("."):
                advance()
                switch current {
                case .name(let name): value = try node(.attribute(value, name), line: line)
                case .int(let number):
                    value = try node(
                        .item(value, try node(.constant(.int(number)), line: line)), line: line)
                default: throw fail("a name or a number should stand where \(current) is")
                }
                advance()
            case .symbol("["): value = try subscripted(value)
            case .symbol("("): value = try node(.call(value, try arguments()), line: line)
            default: return value
            }
        }
    }

    /// Reads filters, tests and calls after a value.
    mutating func filters(of value: Expression) throws(TemplateError) -> Expression {
        var value = value
        while true {
            switch current {
            case .symbol("|"): value = try filterChain(of: value, startsWithPipe: true)
            case .name("is"): value = try test(of: value)
            case .symbol("("): value = try node(.call(value, try arguments()), line: line)
            default: return value
            }
        }
    }

    mutating func filterChain(of value: Expression, startsWithPipe: Bool) throws(TemplateError) -> Expression {
        var value = value
        var isFirst = !startsWithPipe
        while isSymbol("|") || isFirst {
            if !isFirst { advance() }
            isFirst = false
            let line = line
            let name = try dottedName()
            let arguments = isSymbol("(") ? try arguments() : .init()
            if !Filters.names.contains(name), conditions == 0 { throw Filters.unknown(name, line: line) }
            value = try node(.filter(value, name, arguments), line: line)
        }
        return value
    }

    private mutating func dottedName() throws(TemplateError) -> String {
        var name = try expectName()
        while skip(.symbol(".")) { name += "." + (try expectName()) }
        return name
    }

    private mutating func test(of value: Expression) throws(TemplateError) -> Expression {
        let line = line
        advance()
        let isNegated = skip(.name("not"))
        let name = try dottedName()
        var arguments = Expression.Arguments()
        switch current {
        case .symbol("("): arguments = try self.arguments()
        case .name("else"), .name("or"), .name("and"): break
        case .name("is"): throw fail("two tests in a row; put the first in parentheses")
        case .name, .string, .int, .float, .symbol("["), .symbol("{"):
            arguments.positional = [try postfix(of: try primary())]
        default: break
        }
        if !Predicates.names.contains(name), conditions == 0 { throw Predicates.unknown(name, line: line) }
        let test = try node(.test(value, name, arguments), line: line)
        return isNegated ? try node(.not(test), line: line) : test
    }

    private mutating func subscripted(_ value: Expression) throws(TemplateError) -> Expression {
        let line = line
        advance()
        try enter()
        defer { leave() }
        var parts: [Expression?] = [nil]
        var isSlice = false
        while !isSymbol("]") {
            if skip(.symbol(":")) {
                isSlice = true
                parts.append(nil)
            } else if isSymbol(",") {
                if isSlice { throw unsupported("a slice among several indices") }
                guard let first = parts[0] else { throw fail("an index is missing") }
                parts[0] = try restOfIndices(after: first)
            } else {
                guard parts[parts.count - 1] == nil else { throw fail("']' should stand where \(current) is") }
                parts[parts.count - 1] = try expression()
            }
            guard parts.count <= 3 else { throw fail("a slice has at most three parts") }
        }
        advance()
        if isSlice {
            let step = parts.count > 2 ? parts[2] : nil
            return try node(.slice(value, start: parts[0], stop: parts[1], step: step), line: line)
        }
        guard let item = parts[0] else { throw fail("an index is missing") }
        return try node(.item(value, item), line: line)
    }

    private mutating func restOfIndices(after first: Expression) throws(TemplateError) -> Expression {
        var items = [first]
        while skip(.symbol(",")) {
            if isSymbol("]") { break }
            items.append(try expression())
        }
        return try node(.tuple(items), line: first.line)
    }

    mutating func arguments() throws(TemplateError) -> Expression.Arguments {
        var result = Expression.Arguments()
        var isFirst = true
        try expect(.symbol("("))
        while !isSymbol(")") {
            if !isFirst { try expect(.symbol(",")) }
            isFirst = false
            if isSymbol(")") { break }
            if skip(.symbol("*")) {
                guard result.spread == nil, result.keywordSpread == nil else { throw fail("'*' is not allowed here") }
                result.spread = try expression()
            } else if skip(.symbol("**")) {
                guard result.keywordSpread == nil else { throw fail("'**' is not allowed here") }
                result.keywordSpread = try expression()
            } else if case .name(let name) = current, next == .symbol("=") {
                guard result.keywordSpread == nil else { throw fail("an argument after '**'") }
                advance()
                advance()
                guard !result.keywords.contains(where: { $0.name == name }) else {
                    throw fail("the argument '\(name)' is given twice")
                }
                result.keywords.append((name, try expression()))
            } else {
                guard result.keywords.isEmpty, result.spread == nil, result.keywordSpread == nil else {
                    throw fail("an argument without a name after one with a name")
                }
                result.positional.append(try expression())
            }
        }
        try expect(.symbol(")"))
        return result
    }
}
