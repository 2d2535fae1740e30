extension Evaluator {
    /// The filters that take other filters or tests, or any arguments.
    func filterAll(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch name {
        case "format":
            guard arguments.positional.isEmpty || arguments.keywords.isEmpty else {
                throw fail(.value, "'format' takes values with names or without, not both")
            }
            let format = try string(value)
            if arguments.keywords.isEmpty { return try formatted(format, with: try tuple(arguments.positional)) }
            var pairs: [(Value, Value)] = []
            for (name, value) in arguments.keywords { pairs.append((.string(name), value)) }
            return try formatted(format, with: try dictionary(pairs))
        case "map": return try mapped(value, arguments)
        default:
            return try selected(
                value, arguments, keeps: name.hasPrefix("select"), byAttribute: name.hasSuffix("attr"))
        }
    }

    private func mapped(_ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        // Nothing is read from a value that is empty or false, and no argument is looked at.
        guard value.isTrue else { return .iterator(ValueIterator([])) }
        let source = try lazily(value)
        var rest = arguments
        guard arguments.positional.isEmpty, let path = take("attribute", &rest) else {
            guard !rest.positional.isEmpty else { return try failing("'map' needs a filter or an attribute") }
            let name = try string(rest.positional.removeFirst())
            let values = rest
            guard Filters.names.contains(name) else {
                return try failing("the filter '\(name)' is not known", code: .unsupported)
            }
            return try iterator(over: source.depth(of: value)) { () throws(TemplateError) -> Value? in
                guard let item = try source.next(self) else { return nil }
                try self.step()
                return try self.held(try self.filter(name, item, values))
            }
        }
        let standard = take("default", &rest)
        if let other = rest.keywords.first { return try failing("'map' takes no argument '\(other.name)'") }
        return try iterator(over: source.depth(of: value)) { () throws(TemplateError) -> Value? in
            guard let item = try source.next(self) else { return nil }
            try self.step()
            let result = try self.attribute(path: path, of: item)
            if let standard, result.isUndefined { return standard }
            return result
        }
    }

    private func selected(
        _ value: Value, _ arguments: Arguments, keeps: Bool, byAttribute: Bool
    ) throws(TemplateError) -> Value {
        guard value.isTrue else { return .iterator(ValueIterator([])) }
        let source = try lazily(value)
        var rest = arguments
        var path: Value?
        if byAttribute {
            guard !rest.positional.isEmpty else { return try failing("an attribute's name is missing") }
            path = rest.positional.removeFirst()
        }
        var name: String?
        if !rest.positional.isEmpty {
            let test = try string(rest.positional.removeFirst())
            guard Predicates.names.contains(test) else {
                return try failing("the test '\(test)' is not known", code: .unsupported)
            }
            name = test
        }
        let values = rest
        return try iterator(over: source.depth(of: value)) { () throws(TemplateError) -> Value? in
            while let item = try source.next(self) {
                try self.step()
                var subject = item
                if let path { subject = try self.attribute(path: path, of: item) }
                var isTrue = subject.isTrue
                if let name { isTrue = try self.test(name, subject, values) }
                if isTrue == keeps { return item }
            }
            return nil
        }
    }

    private func take(_ name: String, _ arguments: inout Arguments) -> Value? {
        guard let index = arguments.keywords.firstIndex(where: { $0.name == name }) else { return nil }
        return arguments.keywords.remove(at: index).value
    }

    /// An iterator that fails when it is first asked, as a Python generator does.
    func failing(_ what: String, code: TemplateError.Code = .value) throws(TemplateError) -> Value {
        let error = fail(code, what)
        return try iterator(over: 0) { () throws(TemplateError) -> Value? in throw error }
    }

    private func lazily(_ value: Value) throws(TemplateError) -> LazySource { LazySource(value) }
}

/// A value that is iterated over only from the first question on, so that a misfit fails no earlier than in Python.
private final class LazySource {
    private let value: Value
    private var iterator: ValueIterator?

    init(_ value: Value) { self.value = value }

    func depth(of value: Value) -> Int { value.depth }

    func next(_ evaluator: Evaluator) throws(TemplateError) -> Value? {
        if let iterator { return try iterator.next() }
        let iterator = try evaluator.iterate(value)
        self.iterator = iterator
        return try iterator.next()
    }
}
