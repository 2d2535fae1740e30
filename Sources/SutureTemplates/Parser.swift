/// Builds statements from tokens; Jinja's grammar, by recursive descent.
struct Parser {
    let tokens: [Token]
    let limits: TemplateLimits
    var index = 0
    var nesting = 0
    /// Loops around the place at hand within the same macro or call block.
    var loops = 0
    /// Ifs and conditional expressions around it: there an unknown filter is an error only when it is reached.
    var conditions = 0
    /// Of the special names of macros, those read since the macro began.
    var specialNames: Set<String> = []

    init(_ tokens: [Token], limits: TemplateLimits) {
        self.tokens = tokens
        self.limits = limits
    }

    mutating func template() throws(TemplateError) -> [Statement] {
        let body = try statements(until: [])
        guard case .end = current else { throw fail("nothing is open that \(current) could end") }
        return body
    }

    // MARK: - Tokens

    var current: Token.Kind { tokens[index].kind }
    var next: Token.Kind { tokens[min(index + 1, tokens.count - 1)].kind }
    var line: Int { tokens[index].line }

    mutating func advance() {
        if index < tokens.count - 1 { index += 1 }
    }

    func isName(_ name: String) -> Bool { current == .name(name) }

    func isSymbol(_ symbol: String) -> Bool { current == .symbol(symbol) }

    mutating func skip(_ kind: Token.Kind) -> Bool {
        guard current == kind else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: Token.Kind) throws(TemplateError) {
        guard skip(kind) else { throw fail("\(kind) should stand where \(current) is") }
    }

    mutating func expectName() throws(TemplateError) -> String {
        guard case .name(let name) = current else { throw fail("a name should stand where \(current) is") }
        advance()
        return name
    }

    func fail(_ what: String) -> TemplateError { TemplateError(.syntax, line: line, what) }

    func unsupported(_ what: String) -> TemplateError {
        TemplateError(.unsupported, line: line, "\(what) is not supported")
    }

    mutating func enter() throws(TemplateError) {
        nesting += 1
        guard nesting <= limits.blocks else {
            throw TemplateError(.limit, line: line, "more than \(limits.blocks) levels within each other")
        }
    }

    mutating func leave() { nesting -= 1 }

    /// Makes a node and holds the tree under it to the bound, as chains such as `a + b + ...` grow it without nesting.
    func node(_ kind: Expression.Kind, line: Int) throws(TemplateError) -> Expression {
        let node = Expression(kind, line: line)
        guard node.height <= limits.nesting else {
            throw TemplateError(.limit, line: line, "an expression of more than \(limits.nesting) levels")
        }
        return node
    }

    // MARK: - Statements

    /// Reads up to a tag of one of these names, which is left to the caller with its `{%` read, or to the end.
    mutating func statements(until ends: Set<String>) throws(TemplateError) -> [Statement] {
        try enter()
        defer { leave() }
        var result: [Statement] = []
        while true {
            let line = line
            switch current {
            case .text(let text):
                advance()
                result.append(Statement(.text(text), line: line))
            case .variableBegin:
                advance()
                result.append(Statement(.output(try tuple()), line: line))
                try expect(.variableEnd)
            case .blockBegin:
                advance()
                guard case .name(let name) = current else {
                    throw fail("a tag's name should stand where \(current) is")
                }
                if ends.contains(name) { return result }
                advance()
                if let statement = try block(name, line: line) { result.append(statement) }
                try expect(.blockEnd)
            default:
                guard ends.isEmpty else {
                    throw fail("a block is left open; it needs \(ends.sorted().joined(separator: " or "))")
                }
                return result
            }
        }
    }

    /// Reads a body and the name of the tag that ends it.
    mutating func body(
        until ends: Set<String>, isScope: Bool = true
    ) throws(TemplateError) -> (body: [Statement], end: String) {
        let outside = conditions
        // In a scope of its own an unknown filter is an error again, whatever is around.
        if isScope { conditions = 0 }
        defer { conditions = outside }
        try expect(.blockEnd)
        let body = try statements(until: ends)
        return (body, try expectName())
    }

    private mutating func block(_ name: String, line: Int) throws(TemplateError) -> Statement? {
        let kind: Statement.Kind?
        switch name {
        case "for": kind = try loop()
        case "if": kind = try branches()
        case "set": kind = try set()
        case "print":
            kind = .output(try tuple())
        case "macro": kind = try macro()
        case "call": kind = try call()
        case "filter":
            let filter = try filterChain(of: try node(.captured, line: line), startsWithPipe: false)
            kind = .filter(filter, body: try body(until: ["endfilter"]).body)
        case "with": kind = try with()
        case "generation":
            kind = .generation(try routineBody(until: "endgeneration"))
        case "break", "continue":
            guard loops > 0 else { throw fail("'\(name)' stands outside of a loop") }
            kind = name == "break" ? .leaveLoop : .nextItem
        case "block", "extends", "include", "import", "from", "autoescape":
            throw unsupported("the tag '\(name)'")
        default: throw fail("the tag '\(name)' is unknown, or not expected here")
        }
        return kind.map { Statement($0, line: line) }
    }

    /// A body that becomes a function of its own, which `break` cannot leave.
    mutating func routineBody(until end: String) throws(TemplateError) -> [Statement] {
        let outside = loops
        loops = 0
        defer { loops = outside }
        return try body(until: [end]).body
    }
}
