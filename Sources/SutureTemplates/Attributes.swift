extension Evaluator {
    private static let dictionaryMethods: Set<String> = ["items", "keys", "values", "get", "copy"]
    private static let numberAttributes: Set<String> = [
        "as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "fromhex", "hex", "is_integer",
        "to_bytes"
    ]

    /// Jinja's `value.name`: an attribute, or else an item.
    func attribute(_ name: String, of value: Value) throws(TemplateError) -> Value {
        if case .undefined(let what) = value {
            // Some of Python's own names are hidden, others are errors.
            if name.hasPrefix("__") { throw unsupported("the name '\(name)'") }
            throw fail(.undefined, what)
        }
        if case .dictionary(let entries) = value {
            if Self.dictionaryMethods.contains(name) { return .method(value, name) }
            if name == "fromkeys" { throw unsupported("'fromkeys' of a dict") }
            if !["clear", "pop", "popitem", "setdefault", "update"].contains(name), let item = entries[name] {
                return item
            }
        }
        return try ownAttribute(name, of: value)
    }

    /// An attribute that is no item.
    func ownAttribute(_ name: String, of value: Value) throws(TemplateError) -> Value {
        switch value {
        case .undefined(let what): throw fail(.undefined, what)
        case .dictionary:
            if Self.dictionaryMethods.contains(name) { return .method(value, name) }
        case .namespace(let namespace):
            if let value = namespace.entries[.init(name)] { return value }
        case .loop(let loop): return try attribute(name, of: loop)
        case .string:
            if TextMethods.names.contains(name) { return .method(value, name) }
            if TextMethods.unsupported.contains(name) { throw unsupported("the method '\(name)' of a text") }
        case .list, .tuple:
            if name == "index" || name == "count" { return .method(value, name) }
            if name == "copy", case .list = value { return .method(value, name) }
        case .range(let range):
            switch name {
            case "start": return .int(range.start)
            case "stop": return .int(range.stop)
            case "step": return .int(range.step)
            case "index", "count": return .method(value, name)
            default: break
            }
        case .bool, .int, .float: return try numberAttribute(name, of: value)
        case .macro(let macro):
            if name == "name" { return .string(macro.routine.name) }
            if ["arguments", "catch_kwargs", "catch_varargs", "caller", "explicit_caller"].contains(name) {
                throw unsupported("'\(name)' of a macro")
            }
        case .view: if ["mapping", "isdisjoint"].contains(name) { throw unsupported("'\(name)' of a dict's view") }
        case .iterator: if ["send", "throw", "close"].contains(name) { throw unsupported("'\(name)' of an iterator") }
        case .function(.dict): if name == "fromkeys" { throw unsupported("'fromkeys' of 'dict'") }
        case .null, .function, .method: break
        }
        return .undefined("a value of type \(value.typeName) has no attribute '\(name)'")
    }

    private func numberAttribute(_ name: String, of value: Value) throws(TemplateError) -> Value {
        let number = try positive(value)
        let isFloat = value.asInt == nil
        switch name {
        case "real": return number
        case "imag": return isFloat ? .float(0) : .int(0)
        case "numerator" where !isFloat: return number
        case "denominator" where !isFloat: return .int(1)
        default:
            if Self.numberAttributes.contains(name) { throw unsupported("the method '\(name)' of a number") }
            return .undefined("a value of type \(value.typeName) has no attribute '\(name)'")
        }
    }

    private func attribute(_ name: String, of loop: LoopState) throws(TemplateError) -> Value {
        switch name {
        case "index": return .int(loop.index0 + 1)
        case "index0": return .int(loop.index0)
        case "first": return .bool(loop.index0 == 0)
        case "last": return .bool(try loop.peek() == nil)
        case "length": return .int(try loop.length())
        case "revindex": return .int(try loop.length() - loop.index0)
        case "revindex0": return .int(try loop.length() - loop.index0 - 1)
        case "depth": return .int(1)
        case "depth0": return .int(0)
        case "previtem": return loop.previous ?? .undefined("there is no previous item")
        case "nextitem": return try loop.peek() ?? .undefined("there is no next item")
        case "cycle", "changed": return .method(.loop(loop), name)
        default: return .undefined("'loop' has no attribute '\(name)'")
        }
    }

    /// Calls a method of a value.
    func call(_ name: String, of value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch value {
        case .string(let text): return try call(name, of: text, arguments)
        case .dictionary(let entries): return try call(name, of: entries, arguments)
        case .loop(let loop):
            guard arguments.keywords.isEmpty else { throw fail(.value, "'loop.\(name)' takes no named arguments") }
            let items = arguments.positional
            if name == "cycle" {
                guard !items.isEmpty else { throw fail(.value, "'loop.cycle' has nothing to give") }
                return items[loop.index0 % items.count]
            }
            var isSame = loop.lastChanged?.count == items.count
            for (old, new) in zip(loop.lastChanged ?? [], items) where isSame { isSame = try isEqual(old, new) }
            loop.lastChanged = items
            return .bool(!isSame)
        default:
            if name == "copy" {
                _ = try bind(arguments, [], of: name)
                return value
            }
            guard arguments.keywords.isEmpty, arguments.positional.count == 1 else {
                throw unsupported("'\(name)' with other than one argument")
            }
            return try find(name, arguments.positional[0], in: try values(of: value))
        }
    }

    private func find(_ name: String, _ sought: Value, in items: [Value]) throws(TemplateError) -> Value {
        var count = 0
        for (index, item) in items.enumerated() where try isEqual(item, sought) {
            if name == "index" { return .int(index) }
            count += 1
        }
        if name == "index" { throw fail(.value, "the value is not in the list") }
        return .int(count)
    }

    private func call(_ name: String, of entries: Entries, _ arguments: Arguments) throws(TemplateError) -> Value {
        guard arguments.keywords.isEmpty else { throw fail(.value, "'\(name)' takes no named arguments") }
        if name == "get" {
            let values = try bind(arguments, ["key", "default"], required: 1, of: name)
            guard let key = try key(values[0] ?? .null) else { throw fail(.value, "this cannot be a key") }
            return entries[key] ?? values[1] ?? .null
        }
        _ = try bind(arguments, [], of: name)
        try charge(32)
        switch name {
        case "items": return .view(.items, entries)
        case "keys": return .view(.keys, entries)
        case "values": return .view(.values, entries)
        default: return .dictionary(entries)
        }
    }
}
