extension Evaluator {
    func evaluate(_ expression: Expression, _ scope: Scope) throws(TemplateError) -> Value {
        try enter()
        defer { leave() }
        try step()
        line = expression.line
        switch expression.kind {
        case .constant(let value): return constant(value)
        case .captured: return captured
        case .name(let name): return try value(of: name, scope)
        case .list(let items): return try list(try evaluate(items, scope))
        case .tuple(let items): return try tuple(try evaluate(items, scope))
        case .dictionary(let entries): return try evaluate(entries, scope)
        case .attribute(let base, let name):
            return try plain(try attribute(name, of: try evaluate(base: base, scope)))
        case .item(let base, let index):
            let base = try evaluate(base: base, scope)
            return try plain(try item(try evaluate(index, scope), of: base))
        case .slice(let base, let start, let stop, let step):
            return try evaluate(slice: base, start, stop, step, scope)
        case .call: return try evaluate(call: expression, scope, caller: nil)
        case .filter(let value, let name, let arguments):
            return try evaluate(filter: name, value, arguments, scope)
        case .test(let value, let name, let arguments):
            return .bool(try evaluate(test: name, value, arguments, scope))
        case .negative, .positive, .not, .and, .or, .binary, .concatenation, .comparison, .conditional:
            return try evaluate(operation: expression, scope)
        }
    }

    private func evaluate(operation: Expression, _ scope: Scope) throws(TemplateError) -> Value {
        switch operation.kind {
        case .negative(let value): return try negative(try evaluate(value, scope))
        case .positive(let value): return try positive(try evaluate(value, scope))
        case .not(let value): return .bool(!(try evaluate(value, scope).isTrue))
        case .and(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? try evaluate(right, scope) : value
        case .or(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? value : try evaluate(right, scope)
        case .binary(let sign, let left, let right):
            let left = try evaluate(left, scope)
            let right = try evaluate(right, scope)
            line = operation.line
            return try calculate(sign, left, right)
        case .concatenation(let parts):
            var result = ""
            for part in try evaluate(parts, scope) {
                let part = try string(part)
                try charge(part.utf8.count)
                result += part
            }
            return .string(result)
        case .comparison(let first, let rest): return try evaluate(first, rest, scope)
        case .conditional(let test, let then, let otherwise):
            if try evaluate(test, scope).isTrue { return try evaluate(then, scope) }
            if let otherwise { return try evaluate(otherwise, scope) }
            return .undefined("the condition on line \(operation.line) is false, and there is no 'else'")
        default: throw unsupported("this expression")
        }
    }

    /// Python's chains: each value is evaluated once, and none after a comparison that is false.
    private func evaluate(
        _ first: Expression, _ rest: [(Expression.Comparison, Expression)], _ scope: Scope
    ) throws(TemplateError) -> Value {
        var left = try evaluate(first, scope)
        for (comparison, expression) in rest {
            let right = try evaluate(expression, scope)
            guard try compare(comparison, left, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    private func evaluate(_ expressions: [Expression], _ scope: Scope) throws(TemplateError) -> [Value] {
        var values: [Value] = []
        for expression in expressions { values.append(try evaluate(expression, scope)) }
        return values
    }

    private func evaluate(
        _ entries: [(key: Expression, value: Expression)], _ scope: Scope
    ) throws(TemplateError) -> Value {
        var pairs: [(Value, Value)] = []
        for entry in entries { pairs.append((try evaluate(entry.key, scope), try evaluate(entry.value, scope))) }
        return try dictionary(pairs)
    }

    // MARK: - Names

    func find(_ name: String, _ scope: Scope) throws(TemplateError) -> Value {
        if let value = scope.find(name) { return value }
        if ["lipsum", "cycler", "joiner"].contains(name) { throw unsupported("the function '\(name)'") }
        return .undefined("'\(name)' is undefined")
    }

    private func value(of name: String, _ scope: Scope) throws(TemplateError) -> Value {
        try plain(try find(name, scope))
    }

    /// Refuses `loop` by itself: kept in a variable it could hold all loops before it.
    private func plain(_ value: Value) throws(TemplateError) -> Value {
        switch value {
        case .loop, .method(.loop, _): throw unsupported("'loop' as a value")
        default: return try held(value)
        }
    }

    private func evaluate(base: Expression, _ scope: Scope) throws(TemplateError) -> Value {
        if case .name(let name) = base.kind { return try find(name, scope) }
        return try evaluate(base, scope)
    }

    // MARK: - Calls

    func evaluate(call: Expression, _ scope: Scope, caller: Macro?) throws(TemplateError) -> Value {
        guard case .call(let function, let arguments) = call.kind else { throw unsupported("this call") }
        let callee: Value
        switch function.kind {
        case .attribute(let base, let name): callee = try attribute(name, of: try evaluate(base: base, scope))
        default: callee = try evaluate(function, scope)
        }
        var values = try evaluate(arguments, scope)
        if let caller { values.keywords.append(("caller", .macro(caller))) }
        line = call.line
        return try self.call(callee, values)
    }

    func evaluate(_ arguments: Expression.Arguments, _ scope: Scope) throws(TemplateError) -> Arguments {
        var result = Arguments()
        result.positional = try evaluate(arguments.positional, scope)
        for (name, value) in arguments.keywords { result.keywords.append((name, try evaluate(value, scope))) }
        if let spread = arguments.spread {
            result.positional += try values(of: try evaluate(spread, scope))
            try charge(result.positional.count * 24)
        }
        guard let spread = arguments.keywordSpread else { return result }
        guard case .dictionary(let entries) = try evaluate(spread, scope) else {
            throw fail(.value, "what follows '**' is no dict")
        }
        try charge(entries.count * 48)
        for (key, value) in zip(entries.keys, entries.values) {
            guard case .string(let name) = key else { throw fail(.value, "an argument's name is no text") }
            guard !result.keywords.contains(where: { $0.name.isSame(name) }) else {
                throw fail(.value, "the argument '\(name)' is given twice")
            }
            try step(result.keywords.count)
            result.keywords.append((name, value))
        }
        return result
    }

    private func evaluate(
        filter name: String, _ value: Expression, _ arguments: Expression.Arguments, _ scope: Scope
    ) throws(TemplateError) -> Value {
        let line = line
        let subject = try evaluate(value, scope)
        let values = try evaluate(arguments, scope)
        self.line = line
        return try held(try filter(name, subject, values))
    }

    private func evaluate(
        test name: String, _ value: Expression, _ arguments: Expression.Arguments, _ scope: Scope
    ) throws(TemplateError) -> Bool {
        let line = line
        let subject = try evaluate(value, scope)
        let values = try evaluate(arguments, scope)
        self.line = line
        return try test(name, subject, values)
    }

    private func evaluate(
        slice base: Expression, _ start: Expression?, _ stop: Expression?, _ step: Expression?, _ scope: Scope
    ) throws(TemplateError) -> Value {
        let line = line
        let base = try evaluate(base, scope)
        var parts: [Value] = []
        for part in [start, stop, step] {
            if let part { parts.append(try evaluate(part, scope)) } else { parts.append(.null) }
        }
        self.line = line
        return try slice(base, parts)
    }
}
