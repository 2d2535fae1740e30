/// The arguments of a call.
struct Arguments {
    var positional: [Value] = []
    var keywords: [(name: String, value: Value)] = []

    var isEmpty: Bool { positional.isEmpty && keywords.isEmpty }
}

extension Evaluator {
    func call(_ callee: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        try enter()
        defer { leave() }
        switch callee {
        case .undefined(let what): throw fail(.undefined, what)
        case .macro(let macro): return try call(macro, arguments)
        case .function(let function): return try held(try call(function, arguments))
        case .method(let value, let name): return try held(try call(name, of: value, arguments))
        default: throw fail(.value, "a value of type \(callee.typeName) is called")
        }
    }

    /// Puts arguments in the order of the parameters; nil where none is given.
    func bind(
        _ arguments: Arguments, _ parameters: [String], required: Int = 0, of function: String
    ) throws(TemplateError) -> [Value?] {
        guard arguments.positional.count <= parameters.count else {
            throw fail(.value, "'\(function)' takes at most \(parameters.count) arguments")
        }
        var result: [Value?] = arguments.positional.map { $0 }
        result += Array(repeating: nil, count: parameters.count - result.count)
        for (name, value) in arguments.keywords {
            guard let index = parameters.firstIndex(of: name) else {
                throw fail(.value, "'\(function)' takes no argument '\(name)'")
            }
            guard result[index] == nil else { throw fail(.value, "the argument '\(name)' is given twice") }
            result[index] = value
        }
        for (value, name) in zip(result, parameters).prefix(required) where value == nil {
            throw fail(.value, "'\(function)' needs the argument '\(name)'")
        }
        return result
    }

    private func call(_ macro: Macro, _ arguments: Arguments) throws(TemplateError) -> Value {
        let routine = macro.routine
        let scope = Scope(in: macro.scope)
        let count = routine.parameters.count
        var rest = arguments.keywords
        var caller: Value?
        var given: [Value?] = []
        for (index, parameter) in routine.parameters.enumerated() {
            if index < arguments.positional.count {
                given.append(arguments.positional[index])
            } else if let found = rest.firstIndex(where: { $0.name == parameter.name }) {
                if parameter.name == "caller" { caller = .undefined("") }
                given.append(rest.remove(at: found).value)
            } else {
                given.append(nil)
            }
        }
        if routine.reads.contains("caller"), caller == nil {
            if let found = rest.firstIndex(where: { $0.name == "caller" }) {
                caller = rest.remove(at: found).value
            }
            let isParameter = routine.parameters.contains { $0.name == "caller" }
            if !isParameter { scope.names["caller"] = caller ?? .undefined("no caller is defined") }
        }
        if routine.reads.contains("kwargs") {
            var pairs: [(Value, Value)] = []
            for (name, value) in rest { pairs.append((.string(name), value)) }
            scope.names["kwargs"] = try dictionary(pairs)
        } else if let first = rest.first {
            throw fail(.value, "the macro '\(routine.name)' takes no argument '\(first.name)'")
        }
        if routine.reads.contains("varargs") {
            scope.names["varargs"] = try tuple(Array(arguments.positional.dropFirst(count)))
        } else if arguments.positional.count > count {
            throw fail(.value, "the macro '\(routine.name)' takes at most \(count) arguments")
        }
        for (parameter, value) in zip(routine.parameters, given) {
            if let value {
                scope.names[parameter.name] = value
            } else if let standard = parameter.standard {
                scope.names[parameter.name] = try evaluate(standard, scope)
            } else {
                scope.names[parameter.name] = .undefined("the parameter '\(parameter.name)' was not given")
            }
        }
        let line = line
        defer { self.line = line }
        return try capture(routine.body, scope).text
    }
}
