/// The tests that stand after `is`.
enum Predicates {
    static let names: Set<String> = Set(parameters.keys)

    /// The number of arguments of each test.
    static let parameters: [String: Int] = [
        "defined": 0, "undefined": 0, "none": 0, "boolean": 0, "true": 0, "false": 0, "integer": 0, "float": 0,
        "number": 0, "string": 0, "mapping": 0, "sequence": 0, "iterable": 0, "callable": 0, "odd": 0, "even": 0,
        "lower": 0, "upper": 0, "escaped": 0, "divisibleby": 1, "sameas": 1, "in": 1, "eq": 1, "equalto": 1, "==": 1,
        "ne": 1, "!=": 1, "lt": 1, "lessthan": 1, "<": 1, "le": 1, "<=": 1, "gt": 1, "greaterthan": 1, ">": 1, "ge": 1,
        ">=": 1
    ]

    static func unknown(_ name: String, line: Int) -> TemplateError {
        TemplateError(.unsupported, line: line, "the test '\(name)' is not known")
    }
}

extension Evaluator {
    func test(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Bool {
        guard let count = Predicates.parameters[name] else { throw Predicates.unknown(name, line: line) }
        if !arguments.keywords.isEmpty { throw unsupported("an argument of a test by its name") }
        guard arguments.positional.count == count else {
            throw fail(.value, "the test '\(name)' takes \(count == 0 ? "no argument" : "one argument")")
        }
        guard let other = arguments.positional.first else { return try test(name, value) }
        switch name {
        case "eq", "equalto", "==": return try isEqual(value, other)
        case "ne", "!=": return !(try isEqual(value, other))
        case "lt", "lessthan", "<": return try compare(.less, value, other)
        case "le", "<=": return try compare(.lessOrEqual, value, other)
        case "gt", "greaterthan", ">": return try compare(.greater, value, other)
        case "ge", ">=": return try compare(.greaterOrEqual, value, other)
        case "in": return try contains(other, value)
        case "divisibleby": return try isEqual(try calculate(.modulo, value, other), .int(0))
        default: return try isIdentical(value, other)
        }
    }

    private func test(_ name: String, _ value: Value) throws(TemplateError) -> Bool {
        switch (name, value) {
        case ("defined", _): return !value.isUndefined
        case ("undefined", _): return value.isUndefined
        case ("none", .null), ("boolean", .bool), ("true", .bool(true)), ("false", .bool(false)), ("integer", .int),
            ("float", .float), ("string", .string), ("mapping", .dictionary):
            return true
        case ("number", _): return Number(value) != nil
        case ("sequence", .undefined), ("iterable", .undefined): return true
        case ("sequence", .string), ("sequence", .list), ("sequence", .tuple), ("sequence", .range),
            ("sequence", .dictionary):
            return true
        case ("iterable", .string), ("iterable", .list), ("iterable", .tuple), ("iterable", .range),
            ("iterable", .dictionary), ("iterable", .view), ("iterable", .iterator):
            return true
        case ("callable", .macro), ("callable", .function), ("callable", .method): return true
        case ("callable", .undefined): return true
        case ("odd", _): return try isEqual(try calculate(.modulo, value, .int(2)), .int(1))
        case ("even", _): return try isEqual(try calculate(.modulo, value, .int(2)), .int(0))
        case ("lower", _): return try string(value).isPythonCased(lower: true)
        case ("upper", _): return try string(value).isPythonCased(lower: false)
        default: return false
        }
    }

    /// Python's `is`, where it does not depend on where a value is kept.
    private func isIdentical(_ left: Value, _ right: Value) throws(TemplateError) -> Bool {
        switch (left, right) {
        case (.null, .null): return true
        case (.bool(let left), .bool(let right)): return left == right
        case (.int(let left), .int(let right)):
            if left == right, !(-5...256).contains(left) { break }
            return left == right
        case (.namespace(let left), .namespace(let right)): return left === right
        case (.macro(let left), .macro(let right)): return left === right
        case (.iterator(let left), .iterator(let right)): return left === right
        case (.float, .float), (.string, .string), (.list, .list), (.tuple, .tuple), (.dictionary, .dictionary),
            (.view, .view), (.range, .range), (.method, .method), (.undefined, .undefined):
            break
        default: return false
        }
        throw unsupported("'sameas' for values of type \(left.typeName)")
    }
}

extension String {
    /// Python's `islower` and `isupper`: some letter has a case, and all that have one have this one.
    func isPythonCased(lower: Bool) -> Bool {
        var isFound = false
        for scalar in unicodeScalars {
            let properties = scalar.properties
            if properties.generalCategory == .titlecaseLetter { return false }
            if lower ? properties.isUppercase : properties.isLowercase { return false }
            if lower ? properties.isLowercase : properties.isUppercase { isFound = true }
        }
        return isFound
    }
}
