/// The functions that every template can call.
enum GlobalFunction: String {
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    case range, dict, namespace

    static let named: [String: GlobalFunction] = {
        let all: [GlobalFunction] = [.raiseException, .strftimeNow, .range, .dict, .namespace]
        return Dictionary(uniqueKeysWithValues: all.map { ($0.rawValue, $0) })
    }()
}

extension Evaluator {
    private static let longestRange = 100_000

    func call(_ function: GlobalFunction, _ arguments: Arguments) throws(TemplateError) -> Value {
        switch function {
        case .raiseException:
            let message = try bind(arguments, ["message"], required: 1, of: function.rawValue)[0] ?? .null
            throw fail(.raised, "the template refuses these messages: \(try string(message))")
        case .strftimeNow:
            let format = try bind(arguments, ["format"], required: 1, of: function.rawValue)[0] ?? .null
            guard case .string(let format) = format else { throw fail(.value, "the format of a time is no text") }
            guard let result = (time ?? .now()).formatted(format) else {
                throw unsupported("the format '\(format)' of a time")
            }
            return try text(result)
        case .range: return try range(arguments)
        case .dict: return try dictionary(try pairs(arguments, of: "dict"))
        case .namespace:
            let namespace = Namespace()
            register(namespace)
            try charge(128)
            for (name, value) in try pairs(arguments, of: "namespace") {
                guard case .string(let name) = name else {
                    throw unsupported("a namespace's attribute that is no text")
                }
                try charge(64)
                try set(name, of: namespace, to: value)
            }
            return .namespace(namespace)
        }
    }

    private func range(_ arguments: Arguments) throws(TemplateError) -> Value {
        guard arguments.keywords.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw fail(.value, "'range' takes one to three numbers")
        }
        var numbers: [Int] = []
        for value in arguments.positional {
            guard let number = value.asInt else { throw fail(.value, "'range' takes whole numbers") }
            numbers.append(number)
        }
        let start = numbers.count > 1 ? numbers[0] : 0
        let stop = numbers.count > 1 ? numbers[1] : numbers[0]
        let step = numbers.count > 2 ? numbers[2] : 1
        guard step != 0 else { throw fail(.value, "a range with a step of 0") }
        guard let range = PythonRange(start: start, stop: stop, step: step), range.count <= Self.longestRange else {
            throw fail(.limit, "a range of more than \(Self.longestRange) numbers")
        }
        return .range(range)
    }

    /// The entries of `dict(...)`: of a dict or of pairs, and of the arguments with names.
    private func pairs(_ arguments: Arguments, of function: String) throws(TemplateError) -> [(Value, Value)] {
        guard arguments.positional.count <= 1 else { throw fail(.value, "'\(function)' takes one dict or list") }
        var result: [(Value, Value)] = []
        switch arguments.positional.first {
        case nil: break
        case .dictionary(let entries): result = Array(zip(entries.keys, entries.values))
        case .some(let value):
            for item in try values(of: value) {
                let pair = try values(of: item)
                guard pair.count == 2 else { throw fail(.value, "'\(function)' takes pairs of a key and a value") }
                result.append((pair[0], pair[1]))
            }
        }
        for (name, value) in arguments.keywords { result.append((.string(name), value)) }
        return result
    }
}
