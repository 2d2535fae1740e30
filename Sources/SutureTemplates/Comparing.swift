extension Evaluator {
    func compare(
        _ comparison: Expression.Comparison, _ left: Value, _ right: Value
    ) throws(TemplateError) -> Bool {
        switch comparison {
        case .equal: return try isEqual(left, right)
        case .notEqual: return !(try isEqual(left, right))
        case .less: return try isLess(left, right)
        case .greater: return try isLess(right, left)
        case .lessOrEqual: return try isLess(left, right, orEqual: true)
        case .greaterOrEqual: return try isLess(right, left, orEqual: true)
        case .contained: return try contains(right, left)
        case .notContained: return !(try contains(right, left))
        }
    }

    func isEqual(_ left: Value, _ right: Value) throws(TemplateError) -> Bool {
        try step()
        switch (left, right) {
        case (.undefined, .undefined), (.null, .null): return true
        case (.string(let left), .string(let right)):
            try scan(left)
            return left.isSame(right)
        case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
            guard left.values.count == right.values.count else { return false }
            for (left, right) in zip(left.values, right.values) where !(try isEqual(left, right)) { return false }
            return true
        case (.dictionary(let left), .dictionary(let right)):
            guard left.count == right.count else { return false }
            for (name, value) in zip(left.keys, left.values) {
                guard let key = try key(name), let other = right[key], try isEqual(value, other) else { return false }
            }
            return true
        case (.range(let left), .range(let right)):
            guard left.count == right.count else { return false }
            if left.count == 0 { return true }
            return left[0] == right[0] && (left.count == 1 || left.step == right.step)
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.macro(let left), .macro(let right)): return left === right
        case (.function(let left), .function(let right)): return left == right
        case (.view, .view): throw unsupported("the comparison of views of dicts")
        case (.method, .method): throw unsupported("the comparison of methods")
        default:
            guard let left = Number(left), let right = Number(right) else { return false }
            return order(left, right) == 0
        }
    }

    /// -1, 0 or 1, exactly as Python compares whole numbers with floats; nil if one is not a number.
    private func order(_ left: Number, _ right: Number) -> Int? {
        switch (left, right) {
        case (.int(let left), .int(let right)): return left < right ? -1 : left == right ? 0 : 1
        case (.float(let left), .float(let right)):
            return left < right ? -1 : left == right ? 0 : left > right ? 1 : nil
        case (.float, .int): return order(right, left).map { -$0 }
        case (.int(let left), .float(let right)):
            if right.isNaN { return nil }
            if right >= 0x1p63 { return -1 }
            if right < -0x1p63 { return 1 }
            let whole = Int(right.rounded(.down))
            if left != whole { return left < whole ? -1 : 1 }
            return right > right.rounded(.down) ? -1 : 0
        }
    }

    func isLess(_ left: Value, _ right: Value, orEqual: Bool = false) throws(TemplateError) -> Bool {
        try step()
        switch (left, right) {
        case (.string(let left), .string(let right)):
            try scan(left)
            return left.isBefore(right) || (orEqual && left.isSame(right))
        case (.list(let first), .list(let second)), (.tuple(let first), .tuple(let second)):
            for (left, right) in zip(first.values, second.values) where !(try isEqual(left, right)) {
                return try isLess(left, right, orEqual: orEqual)
            }
            let (left, right) = (first.values.count, second.values.count)
            return left < right || (orEqual && left == right)
        case (.undefined(let what), _), (_, .undefined(let what)): throw fail(.undefined, what)
        case (.view, .view): throw unsupported("the comparison of views of dicts")
        default:
            guard let first = Number(left), let second = Number(right) else {
                throw fail(.value, "\(left.typeName) and \(right.typeName) have no order")
            }
            guard let order = order(first, second) else { return false }
            return order < 0 || (orEqual && order == 0)
        }
    }

    /// Python's `in`.
    func contains(_ collection: Value, _ value: Value) throws(TemplateError) -> Bool {
        switch collection {
        case .string(let text):
            guard case .string(let part) = value else {
                if case .undefined(let what) = value { throw fail(.undefined, what) }
                throw fail(.value, "\(value.typeName) is looked for in a text")
            }
            return try firstRange(of: part, in: text) != nil
        case .dictionary(let entries), .view(.keys, let entries):
            guard let key = try key(value) else { throw fail(.value, "\(value.typeName) cannot be a key") }
            return entries[key] != nil
        case .range(let range):
            guard let number = Number(value) else { return false }
            for index in 0..<range.count where order(.int(range[index]), number) == 0 { return true }
            try step(range.count)
            return false
        default:
            let iterator = try iterate(collection)
            while let next = try iterator.next() {
                if try isEqual(next, value) { return true }
            }
            return false
        }
    }

    /// A stable sort that can fail, by Python's `<` of keys.
    func sorted(
        _ values: [(key: Value, value: Value)], isReversed: Bool
    ) throws(TemplateError) -> [Value] {
        var items = values
        var width = 1
        while width < items.count {
            var merged: [(key: Value, value: Value)] = []
            merged.reserveCapacity(items.count)
            for start in stride(from: 0, to: items.count, by: 2 * width) {
                let middle = min(start + width, items.count)
                let end = min(middle + width, items.count)
                var (left, right) = (start, middle)
                while left < middle, right < end {
                    let takesRight =
                        isReversed
                        ? try isLess(items[left].key, items[right].key)
                        : try isLess(items[right].key, items[left].key)
                    merged.append(items[takesRight ? right : left])
                    if takesRight { right += 1 } else { left += 1 }
                }
                merged += items[left..<middle]
                merged += items[right..<end]
            }
            items = merged
            width *= 2
        }
        return items.map(\.value)
    }
}
