extension Parser {
    mutating func loop() throws(TemplateError) -> Statement.Kind {
        let target = try target(until: "in")
        try expect(.name("in"))
        let items = try tuple(isConditionalAllowed: false, end: "recursive")
        let condition = skip(.name("if")) ? try expression() : nil
        if isName("recursive") { throw unsupported("a recursive loop") }
        loops += 1
        let (body, end) = try bodyOfLoop()
        var otherwise: [Statement] = []
        if end == "else" { otherwise = try self.body(until: ["endfor"]).body }
        return .loop(
            .init(target: target, items: items, condition: condition, body: body, otherwise: otherwise))
    }

    private mutating func bodyOfLoop() throws(TemplateError) -> (body: [Statement], end: String) {
        defer { loops -= 1 }
        return try body(until: ["endfor", "else"])
    }

    mutating func branches() throws(TemplateError) -> Statement.Kind {
        conditions += 1
        defer { conditions -= 1 }
        var branches: [Statement.Branch] = []
        while true {
            let condition = try tuple(isConditionalAllowed: false)
            let (body, end) = try body(until: ["elif", "else", "endif"], isScope: false)
            branches.append(.init(condition: condition, body: body))
            switch end {
            case "elif": continue
            case "else": return .branches(branches, otherwise: try self.body(until: ["endif"], isScope: false).body)
            default: return .branches(branches, otherwise: [])
            }
        }
    }

    mutating func set() throws(TemplateError) -> Statement.Kind {
        let line = line
        let target = try target(until: nil, isAttributeAllowed: true)
        if skip(.symbol("=")) { return .set(target, try tuple()) }
        let filter = try filterChain(of: try node(.captured, line: line), startsWithPipe: true)
        return .setBlock(target, filter: filter, body: try body(until: ["endset"]).body)
    }

    mutating func with() throws(TemplateError) -> Statement.Kind {
        var assignments: [(target: Statement.Target, value: Expression)] = []
        while current != .blockEnd {
            if !assignments.isEmpty { try expect(.symbol(",")) }
            let target = try singleTarget(isAttributeAllowed: false)
            try expect(.symbol("="))
            assignments.append((target, try expression()))
        }
        return .with(assignments, body: try body(until: ["endwith"]).body)
    }

    mutating func macro() throws(TemplateError) -> Statement.Kind {
        let name = try expectName()
        try refuseConstant(name)
        return .macro(try routine(name, parameters: try parameters(), until: "endmacro"))
    }

    mutating func call() throws(TemplateError) -> Statement.Kind {
        let parameters = isSymbol("(") ? try parameters() : []
        let call = try expression()
        guard case .call = call.kind else { throw fail("a call block needs a call") }
        return .call(call, try routine("caller", parameters: parameters, until: "endcall"))
    }

    private mutating func parameters() throws(TemplateError) -> [(name: String, standard: Expression?)] {
        var result: [(name: String, standard: Expression?)] = []
        try expect(.symbol("("))
        while !isSymbol(")") {
            if !result.isEmpty { try expect(.symbol(",")) }
            let name = try expectName()
            try refuseConstant(name)
            guard !result.contains(where: { $0.name == name }) else {
                throw fail("the parameter '\(name)' is named twice")
            }
            if skip(.symbol("=")) {
                result.append((name, try expression()))
            } else if result.last?.standard != nil {
                throw fail("the parameter '\(name)' needs a default, as the one before it has one")
            } else {
                result.append((name, nil))
            }
        }
        try expect(.symbol(")"))
        return result
    }

    private mutating func routine(
        _ name: String, parameters: [(name: String, standard: Expression?)], until end: String
    ) throws(TemplateError) -> Statement.Routine {
        let outside = specialNames
        specialNames = []
        defer { specialNames.formUnion(outside) }
        let body = try routineBody(until: end)
        return .init(name: name, parameters: parameters, body: body, reads: specialNames)
    }

    private func refuseConstant(_ name: String) throws(TemplateError) {
        if ["true", "True", "false", "False", "none", "None"].contains(name) {
            throw fail("'\(name)' cannot be assigned to")
        }
    }

    // MARK: - Targets

    /// Reads `a`, `a, b` or `a, (b, c)`.
    mutating func target(
        until end: String?, isAttributeAllowed: Bool = false
    ) throws(TemplateError) -> Statement.Target {
        try enter()
        defer { leave() }
        var targets: [Statement.Target] = []
        var isTuple = false
        while !isTargetEnd(end) {
            targets.append(try singleTarget(isAttributeAllowed: isAttributeAllowed))
            guard skip(.symbol(",")) else { break }
            isTuple = true
        }
        guard let first = targets.first else { throw fail("a name should stand where \(current) is") }
        return isTuple ? .tuple(targets) : first
    }

    private func isTargetEnd(_ end: String?) -> Bool {
        switch current {
        case .symbol(")"), .symbol("="), .blockEnd: true
        case .name(let name): name == end
        default: false
        }
    }

    private mutating func singleTarget(isAttributeAllowed: Bool) throws(TemplateError) -> Statement.Target {
        if skip(.symbol("(")) {
            let inner = try target(until: nil, isAttributeAllowed: isAttributeAllowed)
            try expect(.symbol(")"))
            return inner
        }
        let name = try expectName()
        try refuseConstant(name)
        if isAttributeAllowed, skip(.symbol(".")) { return .attribute(name, try expectName()) }
        return .name(name)
    }
}
