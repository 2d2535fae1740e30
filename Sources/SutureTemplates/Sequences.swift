extension Evaluator {
    /// The values of anything that Python can iterate over, one after another.
    func iterate(_ value: Value) throws(TemplateError) -> ValueIterator {
        switch value {
        case .iterator(let iterator): return iterator
        case .range(let range):
            var index = 0
            return ValueIterator(depth: 0) { () throws(TemplateError) -> Value? in
                guard index < range.count else { return nil }
                index += 1
                return .int(range[index - 1])
            }
        case .string(let text):
            var index = text.unicodeScalars.startIndex
            return ValueIterator(depth: 0) { () throws(TemplateError) -> Value? in
                guard index < text.unicodeScalars.endIndex else { return nil }
                defer { index = text.unicodeScalars.index(after: index) }
                return .string(String(text.unicodeScalars[index]))
            }
        case .list(let items), .tuple(let items): return ValueIterator(items.values)
        case .dictionary(let entries): return ValueIterator(entries.keys)
        case .view(let part, let entries): return ValueIterator(entries.part(part))
        case .undefined: return ValueIterator([])
        case .loop: throw unsupported("'loop' as a value")
        default: throw fail(.value, "a value of type \(value.typeName) cannot be iterated over")
        }
    }

    /// All the values of anything that Python can iterate over.
    func values(of value: Value) throws(TemplateError) -> [Value] {
        switch value {
        case .list(let items), .tuple(let items): return items.values
        case .dictionary(let entries): return entries.keys
        default:
            var result: [Value] = []
            let iterator = try iterate(value)
            while let next = try iterator.next() {
                try step()
                try charge(24)
                result.append(next)
            }
            return result
        }
    }

    /// Python's `len`; nil for what has none.
    func length(_ value: Value) throws(TemplateError) -> Int? {
        switch value {
        case .undefined: return 0
        case .string(let text):
            try scan(text)
            return text.unicodeScalars.count
        case .list(let items), .tuple(let items): return items.values.count
        case .range(let range): return range.count
        case .dictionary(let entries), .view(_, let entries): return entries.count
        default: return nil
        }
    }

    func item(_ index: Value, of base: Value) throws(TemplateError) -> Value {
        switch base {
        case .undefined(let what): throw fail(.undefined, what)
        case .dictionary(let entries):
            if let key = try key(index), let value = entries[key] { return value }
        case .list(let items), .tuple(let items):
            if let index = offset(index, items.values.count) { return items.values[index] }
        case .range(let range):
            if let index = offset(index, range.count) { return .int(range[index]) }
        case .string(let text):
            guard index.asInt != nil else { break }
            try scan(text)
            let scalars = text.unicodeScalars
            guard let offset = offset(index, scalars.count) else { break }
            return .string(String(scalars[scalars.index(scalars.startIndex, offsetBy: offset)]))
        default: break
        }
        if case .string(let name) = index { return try attribute(name, of: base) }
        return .undefined("a value of type \(base.typeName) has no such item")
    }

    private func offset(_ index: Value, _ count: Int) -> Int? {
        guard let index = index.asInt else { return nil }
        if index >= 0 { return index < count ? index : nil }
        return index >= -count ? index + count : nil
    }

    /// Python's slices. Jinja makes some misfits undefined, if all is constant, and fails on the others.
    func slice(_ base: Value, _ parts: [Value]) throws(TemplateError) -> Value {
        if case .undefined(let what) = base { throw fail(.undefined, what) }
        let count: Int
        switch base {
        case .string, .list, .tuple, .range: count = try length(base) ?? 0
        default: throw unsupported("the slicing of a value of type \(base.typeName)")
        }
        var numbers: [Int?] = []
        for part in parts {
            switch part {
            case .null: numbers.append(nil)
            default:
                guard let number = part.asInt else { throw unsupported("a slice by a value of type \(part.typeName)") }
                numbers.append(number)
            }
        }
        let step = numbers[2] ?? 1
        guard step != 0 else { throw fail(.value, "a slice with a step of 0") }
        guard step > -Int.max else { throw unsupported("a slice with such a step") }
        func clamped(_ number: Int?, _ standard: Int) -> Int {
            guard var number else { return standard }
            if number < 0 { number = max(number, -count - 1) + count }
            return step > 0 ? min(max(number, 0), count) : min(max(number, -1), count - 1)
        }
        let start = clamped(numbers[0], step > 0 ? 0 : count - 1)
        let stop = clamped(numbers[1], step > 0 ? count : -1)
        guard let range = PythonRange(start: start, stop: stop, step: step) else {
            throw unsupported("a slice with such a step")
        }
        let indices = (0..<range.count).lazy.map { range[$0] }
        switch base {
        case .list(let items): return try list(indices.map { items.values[$0] })
        case .tuple(let items): return try tuple(indices.map { items.values[$0] })
        case .string(let string):
            if step == 1 {
                let scalars = string.unicodeScalars
                return try text(String(scalars.dropFirst(start).prefix(range.count)))
            }
            try charge(4 * count)
            let scalars = Array(string.unicodeScalars)
            return try text(String(scalars: indices.map { scalars[$0] }))
        case .range: return try slice(base, range)
        default: return .null
        }
    }

    private func slice(_ base: Value, _ part: PythonRange) throws(TemplateError) -> Value {
        guard case .range(let range) = base else { return .null }
        let (step, overflow) = range.step.multipliedReportingOverflow(by: part.step)
        func number(_ index: Int) -> Int? {
            let (product, first) = index.multipliedReportingOverflow(by: range.step)
            let (sum, second) = product.addingReportingOverflow(range.start)
            return first || second ? nil : sum
        }
        guard !overflow, let start = number(part.start), let stop = number(part.stop),
            let result = PythonRange(start: start, stop: stop, step: step)
        else { throw unsupported("a range of such numbers") }
        return .range(result)
    }
}
