extension Evaluator {
    func run(_ body: [Statement], _ scope: Scope) throws(TemplateError) -> Flow {
        try enter()
        defer { leave() }
        for statement in body {
            try step()
            line = statement.line
            let flow = try run(statement, scope)
            if flow != .onward { return flow }
        }
        return .onward
    }

    private func run(_ statement: Statement, _ scope: Scope) throws(TemplateError) -> Flow {
        switch statement.kind {
        case .text(let text): try emit(text)
        case .output(let expression): try emit(expression, scope)
        case .loop(let loop): return try run(loop, scope)
        case .branches(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition, scope).isTrue {
                return try run(branch.body, scope)
            }
            return try run(otherwise, scope)
        case .set(let target, let expression): try assign(target, try evaluate(expression, scope), scope)
        case .setBlock(let target, let filter, let body):
            let (text, flow) = try capture(body, Scope(in: scope))
            if flow != .onward { return flow }
            try assign(target, try evaluate(filter, over: text, scope), scope)
        case .macro(let routine):
            register(scope)
            scope.names[routine.name] = .macro(Macro(routine, scope: scope))
        case .call(let call, let routine):
            register(scope)
            let caller = Macro(routine, scope: scope)
            try emit(try string(try evaluate(call: call, scope, caller: caller)))
        case .filter(let filter, let body):
            let (text, flow) = try capture(body, Scope(in: scope))
            if flow != .onward { return flow }
            guard case .string(let result) = try evaluate(filter, over: text, scope) else {
                throw fail(.value, "the filter of a block gives no text")
            }
            try emit(result)
        case .with(let assignments, let body):
            let inner = Scope(in: scope)
            var values: [Value] = []
            for assignment in assignments { values.append(try evaluate(assignment.value, scope)) }
            for (assignment, value) in zip(assignments, values) { try assign(assignment.target, value, inner) }
            return try run(body, inner)
        case .generation(let body): return try run(body, Scope(in: scope))
        case .leaveLoop: return .leaveLoop
        case .nextItem: return .nextItem
        }
        return .onward
    }

    /// Writes a value; an escaped one can be written, while other uses of it would escape what they touch.
    private func emit(_ expression: Expression, _ scope: Scope) throws(TemplateError) {
        guard case .filter(let value, let name, let arguments) = expression.kind, Filters.escapes.contains(name),
            arguments.positional.isEmpty, arguments.keywords.isEmpty
        else { return try emit(try string(try evaluate(expression, scope))) }
        let text = try string(try evaluate(value, scope))
        try emit(name == "safe" ? text : escaped(text))
    }

    /// Runs a body and returns what it writes.
    func capture(_ body: [Statement], _ scope: Scope) throws(TemplateError) -> (text: Value, flow: Flow) {
        let outside = output
        output = ""
        defer { output = outside }
        let flow = try run(body, scope)
        return (try text(output), flow)
    }

    private func evaluate(_ filter: Expression, over text: Value, _ scope: Scope) throws(TemplateError) -> Value {
        let outside = captured
        captured = text
        defer { captured = outside }
        return try evaluate(filter, scope)
    }

    func assign(_ target: Statement.Target, _ value: Value, _ scope: Scope) throws(TemplateError) {
        switch target {
        case .name(let name): scope.names[name] = value
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace) = try find(name, scope) else {
                throw fail(.value, "'\(name).\(attribute)' is assigned to, but '\(name)' is no namespace")
            }
            try set(attribute, of: namespace, to: value)
        case .tuple(let targets):
            let iterator = try iterate(value)
            var values: [Value] = []
            while values.count <= targets.count, let next = try iterator.next() { values.append(next) }
            guard values.count == targets.count else {
                throw fail(.value, "\(targets.count) names are assigned from a value with another number of parts")
            }
            for (target, value) in zip(targets, values) { try assign(target, value, scope) }
        }
    }

    /// A namespace keeps no private attributes, so that a template cannot reach Python's own.
    func set(_ attribute: String, of namespace: Namespace, to value: Value) throws(TemplateError) {
        guard !attribute.hasPrefix("_") else {
            throw fail(.value, "the attribute '\(attribute)' of a namespace begins with an underscore")
        }
        namespace.entries[.init(attribute)] = value
    }

    private func run(_ loop: Statement.Loop, _ scope: Scope) throws(TemplateError) -> Flow {
        let line = line
        let source = try iterate(try evaluate(loop.items, scope))
        let items: ValueIterator
        if let condition = loop.condition {
            items = ValueIterator(depth: source.depth) { () throws(TemplateError) -> Value? in
                while let value = try source.next() {
                    try self.step()
                    let inner = Scope(in: scope)
                    inner.names["loop"] = .undefined("'loop' is undefined in the condition of a loop")
                    try self.assign(loop.target, value, inner)
                    if try self.evaluate(condition, inner).isTrue { return value }
                }
                return nil
            }
        } else {
            items = source
        }
        let state = LoopState(items)
        while true {
            self.line = line
            guard let value = try state.advance() else { break }
            try step()
            let inner = Scope(in: scope)
            inner.names["loop"] = .loop(state)
            try assign(loop.target, value, inner)
            if try run(loop.body, inner) == .leaveLoop { break }
        }
        if state.isNonempty { return .onward }
        return try run(loop.otherwise, Scope(in: scope))
    }
}
