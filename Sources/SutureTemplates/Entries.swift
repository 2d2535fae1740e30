/// A dictionary in the order of its entries. Nothing in the sandbox can change one.
final class Entries {
    enum Part {
        case keys, values, items
    }

    let keys: [Value]
    let values: [Value]
    let depth: Int
    private let index: [Key: Int]

    var count: Int { keys.count }

    /// Of equal keys the first stays, with the last value, as in Python.
    init(_ pairs: [(key: Key, name: Value, value: Value)]) {
        var keys: [Value] = []
        var values: [Value] = []
        var index: [Key: Int] = [:]
        for pair in pairs {
            if let found = index[pair.key] {
                values[found] = pair.value
            } else {
                index[pair.key] = keys.count
                keys.append(pair.name)
                values.append(pair.value)
            }
        }
        self.keys = keys
        self.values = values
        self.index = index
        depth = 1 + max(values.lazy.map(\.depth).max() ?? 0, keys.lazy.map(\.depth).max() ?? 0)
    }

    subscript(key: Key) -> Value? { index[key].map { values[$0] } }

    subscript(name: String) -> Value? { self[.string(.init(name))] }

    /// The keys, the values, or tuples of both.
    func part(_ part: Part) -> [Value] {
        switch part {
        case .keys: keys
        case .values: values
        case .items: zip(keys, values).map { .tuple(Items([$0, $1])) }
        }
    }
}

/// What Python's `hash` and `==` make of a key: `1`, `1.0` and `True` are one.
enum Key: Hashable {
    /// A text, equal by its bytes.
    struct Text: Hashable {
        let text: String

        init(_ text: String) { self.text = text }

        static func == (left: Self, right: Self) -> Bool { left.text.isSame(right.text) }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    case null
    case undefined
    case int(Int)
    case float(Double)
    case string(Text)
    case tuple([Key])
}

extension Evaluator {
    /// The key that a value is; nil for what cannot be one.
    func key(_ value: Value) throws(TemplateError) -> Key? {
        try step()
        switch value {
        case .null: return Key.null
        case .undefined: return .undefined
        case .bool(let value): return .int(value ? 1 : 0)
        case .int(let value): return .int(value)
        case .float(let value): return Int(exactly: value).map { .int($0) } ?? .float(value)
        case .string(let value): return .string(.init(value))
        case .tuple(let items):
            var keys: [Key] = []
            for value in items.values {
                guard let key = try key(value) else { return nil }
                keys.append(key)
            }
            return .tuple(keys)
        default: return nil
        }
    }

    /// A dictionary of these pairs.
    func dictionary(_ pairs: [(Value, Value)]) throws(TemplateError) -> Value {
        var entries: [(key: Key, name: Value, value: Value)] = []
        for (name, value) in pairs {
            guard let key = try key(name) else { throw fail(.value, "\(name.typeName) cannot be a key") }
            entries.append((key, name, value))
        }
        try charge(pairs.count * 96 + 64)
        let result = Value.dictionary(Entries(entries))
        return try held(result)
    }
}
