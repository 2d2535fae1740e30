extension Evaluator {
    func filterSequence(_ name: String, _ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        switch name {
        case "length", "count":
            guard let length = try length(value) else { throw fail(.value, "\(value.typeName) has no length") }
            return .int(length)
        case "first": return try iterate(value).next() ?? .undefined("there is no first item")
        case "last":
            if case .iterator = value { throw fail(.value, "an iterator has no last item") }
            return try values(of: value).last ?? .undefined("there is no last item")
        case "list": return try list(try values(of: value))
        case "reverse":
            if case .string(let text) = value {
                try scan(text)
                return try self.text(String(scalars: text.unicodeScalars.reversed()))
            }
            let items = Array(try values(of: value).reversed())
            switch value {
            case .iterator: return try list(items)
            default:
                try charge(items.count * 24)
                return try held(.iterator(ValueIterator(items)))
            }
        case "items":
            switch value {
            case .undefined: return .iterator(ValueIterator([]))
            case .dictionary(let entries):
                try charge(entries.count * 96)
                return try held(.iterator(ValueIterator(entries.part(.items))))
            default: return try failing("'items' needs a dict, not \(value.typeName)")
            }
        case "join":
            var items = try values(of: value)
            if let attribute = given(arguments[1]) { items = try attributes(attribute, of: items) }
            return try joined(items, by: try string(arguments[0] ?? .string("")), allowsAll: true)
        case "sum":
            var items = try values(of: value)
            if let attribute = given(arguments[0]) { items = try attributes(attribute, of: items) }
            var result = arguments[1] ?? .int(0)
            if case .string = result { throw fail(.value, "'sum' does not add texts") }
            for item in items { result = try calculate(.add, result, item) }
            return result
        case "min", "max": return try extreme(name, value, arguments)
        case "sort":
            var pairs: [(key: Value, value: Value)] = []
            let isExact = arguments[1]?.isTrue ?? false
            for item in try values(of: value) {
                pairs.append((try sortKey(of: item, given(arguments[2]), isExact: isExact), item))
            }
            return try list(try sorted(pairs, isReversed: arguments[0]?.isTrue ?? false))
        case "dictsort": return try sortedEntries(value, arguments)
        case "unique": return try unique(value, arguments)
        case "batch": return try batched(value, arguments)
        case "slice": return try sliced(value, arguments)
        default: throw Filters.unknown(name, line: line)
        }
    }

    private func given(_ value: Value?) -> Value? {
        if case .some(.null) = value { nil } else { value }
    }

    /// `a.b.0` of an item, as the filters' `attribute` has it.
    func attribute(path: Value, of item: Value) throws(TemplateError) -> Value {
        guard case .string(let path) = path else { return try self.item(path, of: item) }
        var result = item
        for part in path.split(separator: ".", omittingEmptySubsequences: false) {
            let isNumber = !part.isEmpty && part.unicodeScalars.allSatisfy(\.isASCIIDigit)
            result = try self.item(isNumber ? Int(part).map { .int($0) } ?? .null : .string(String(part)), of: result)
        }
        return result
    }

    private func attributes(_ path: Value, of items: [Value]) throws(TemplateError) -> [Value] {
        var result: [Value] = []
        for item in items { result.append(try attribute(path: path, of: item)) }
        return result
    }

    private func foldedCase(_ value: Value, isExact: Bool) throws(TemplateError) -> Value {
        guard !isExact, case .string(let text) = value else { return value }
        return try self.text(text.pythonLowercased)
    }

    private func sortKey(of item: Value, _ path: Value?, isExact: Bool) throws(TemplateError) -> Value {
        guard let path else { return try foldedCase(item, isExact: isExact) }
        guard case .string(let text) = path else {
            return try list([try foldedCase(try attribute(path: path, of: item), isExact: isExact)])
        }
        var keys: [Value] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            keys.append(try foldedCase(try attribute(path: .string(String(part)), of: item), isExact: isExact))
        }
        return try list(keys)
    }

    private func extreme(_ name: String, _ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let isExact = arguments[0]?.isTrue ?? false
        let path = given(arguments[1])
        var best: (key: Value, value: Value)?
        for item in try values(of: value) {
            let attribute = try path.map { path throws(TemplateError) in try self.attribute(path: path, of: item) }
            let key = try foldedCase(attribute ?? item, isExact: isExact)
            guard let current = best else {
                best = (key, item)
                continue
            }
            let isBetter = name == "min" ? try isLess(key, current.key) : try isLess(current.key, key)
            if isBetter { best = (key, item) }
        }
        return best?.value ?? .undefined("there is no item")
    }

    private func sortedEntries(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        guard case .dictionary(let entries) = value else {
            throw fail(.value, "'dictsort' needs a dict, not \(value.typeName)")
        }
        let isExact = arguments[0]?.isTrue ?? false
        let byValue: Bool
        switch arguments[1] {
        case nil, .string("key"): byValue = false
        case .string("value"): byValue = true
        default: throw fail(.value, "'dictsort' sorts by 'key' or 'value'")
        }
        var pairs: [(key: Value, value: Value)] = []
        for (key, value) in zip(entries.keys, entries.values) {
            let sortKey = try foldedCase(byValue ? value : key, isExact: isExact)
            pairs.append((sortKey, try tuple([key, value])))
        }
        return try list(try sorted(pairs, isReversed: arguments[2]?.isTrue ?? false))
    }

    private func unique(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let source = try iterate(value)
        let isExact = arguments[0]?.isTrue ?? false
        let path = given(arguments[1])
        var seen = Set<Key>()
        return try iterator(over: source.depth) { () throws(TemplateError) -> Value? in
            while let item = try source.next() {
                var value = item
                if let path { value = try self.attribute(path: path, of: item) }
                guard let key = try self.key(try self.foldedCase(value, isExact: isExact)) else {
                    throw self.fail(.value, "'unique' cannot compare values of type \(value.typeName)")
                }
                try self.charge(32)
                if seen.insert(key).inserted { return item }
            }
            return nil
        }
    }

    private func batched(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let source = try iterate(value)
        guard let size = try whole(arguments[0], "batch"), size > 0 else { throw unsupported("a batch of no items") }
        let fill = given(arguments[1])
        return try iterator(over: source.depth) { () throws(TemplateError) -> Value? in
            var items: [Value] = []
            while items.count < size, let next = try source.next() {
                try self.charge(24)
                items.append(next)
            }
            if items.isEmpty { return nil }
            if let fill {
                try self.charge(size - items.count > self.limits.memory ? .max : (size - items.count) * 24)
                items += Array(repeating: fill, count: size - items.count)
            }
            return try self.list(items)
        }
    }

    private func sliced(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let items = try values(of: value)
        guard let count = try whole(arguments[0], "slice"), count > 0 else {
            throw unsupported("a slice into no parts")
        }
        let fill = given(arguments[1])
        let (size, rest) = (items.count / count, items.count % count)
        var index = 0
        return try iterator(over: value.depth) { () throws(TemplateError) -> Value? in
            guard index < count else { return nil }
            defer { index += 1 }
            let start = index * size + min(index, rest)
            var part = Array(items[start..<start + size + (index < rest ? 1 : 0)])
            if let fill, index >= rest { part.append(fill) }
            return try self.list(part)
        }
    }
}
