/// The filters and their parameters.
enum Filters {
    static let names = Set(parameters.keys).union(escapes).union(variadic)

    /// Those that mark text as HTML, which only the writing of a value does not see.
    static let escapes: Set<String> = ["safe", "e", "escape"]

    static let variadic: Set<String> = ["map", "select", "reject", "selectattr", "rejectattr", "format"]

    static let parameters: [String: [String]] = [
        "abs": [], "attr": ["name"], "batch": ["linecount", "fill_with"], "capitalize": [], "center": ["width"],
        "count": [], "d": ["default_value", "boolean"], "default": ["default_value", "boolean"],
        "dictsort": ["case_sensitive", "by", "reverse"], "first": [], "float": ["default"],
        "indent": ["width", "first", "blank"], "int": ["default", "base"], "items": [], "join": ["d", "attribute"],
        "last": [], "length": [], "list": [], "lower": [], "max": ["case_sensitive", "attribute"],
        "min": ["case_sensitive", "attribute"], "replace": ["old", "new", "count"], "reverse": [],
        "round": ["precision", "method"], "slice": ["slices", "fill_with"],
        "sort": ["reverse", "case_sensitive", "attribute"], "string": [], "sum": ["attribute", "start"], "title": [],
        "tojson": ["ensure_ascii", "indent", "separators", "sort_keys"], "trim": ["chars"],
        "truncate": ["length", "killwords", "end", "leeway"], "unique": ["case_sensitive", "attribute"], "upper": [],
        "wordcount": []
    ]

    static func unknown(_ name: String, line: Int) -> TemplateError {
        TemplateError(.unsupported, line: line, "the filter '\(name)' is not known")
    }
}

extension Evaluator {
    func filter(_ name: String, _ value: Value, _ arguments: Arguments) throws(TemplateError) -> Value {
        if Filters.escapes.contains(name) {
            throw unsupported("the filter '\(name)' within an expression")
        }
        if Filters.variadic.contains(name) { return try filterAll(name, value, arguments) }
        guard let parameters = Filters.parameters[name] else { throw Filters.unknown(name, line: line) }
        let required = ["attr": 1, "batch": 1, "slice": 1, "replace": 2][name] ?? 0
        let values = try bind(arguments, parameters, required: required, of: name)
        switch name {
        case "default", "d":
            let isReplaced = value.isUndefined || (values[1]?.isTrue == true && !value.isTrue)
            return isReplaced ? values[0] ?? .string("") : value
        case "string": return try text(try string(value))
        case "tojson": return try json(value, values)
        case "upper": return try text(try string(value).pythonUppercased)
        case "lower": return try text(try string(value).pythonLowercased)
        case "capitalize": return try text(try string(value).pythonCapitalized)
        case "title": return try text(try string(value).jinjaTitlecased)
        case "trim":
            var set: String?
            switch values[0] ?? .null {
            case .null: break
            case let value: set = try text(value, name)
            }
            return try stripped(try string(value), of: set)
        case "replace":
            var limit = -1
            switch values[2] ?? .null {
            case .null: break
            case let value: limit = try whole(value, name) ?? -1
            }
            return try replaced(
                try string(value), try string(values[0] ?? .null), try string(values[1] ?? .null), limit: limit)
        case "center":
            return try padded(try string(value), to: try whole(values[0], name) ?? 80, with: " ", name)
        case "indent": return try indented(value, values)
        case "truncate": return try truncated(value, values)
        case "wordcount": return .int(try words(try string(value)))
        case "abs", "round", "int", "float": return try filterNumber(name, value, values)
        case "attr":
            guard case .string(let attribute) = values[0] else {
                throw unsupported("an attribute's name that is no text")
            }
            if value.isUndefined { throw unsupported("'attr' of what is undefined") }
            return try ownAttribute(attribute, of: value)
        default: return try filterSequence(name, value, values)
        }
    }

    func escaped(_ text: String) throws(TemplateError) -> String {
        try charge(text.utf8.count * 5)
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "'": result += "&#39;"
            case "\"": result += "&#34;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private func indented(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let text = try text(value, "indent")
        let indent: String
        if case .string(let given) = arguments[0] {
            indent = given
        } else {
            let width = max(try whole(arguments[0], "indent") ?? 4, 0)
            try charge(width)
            indent = String(repeating: " ", count: width)
        }
        let isFirst = arguments[1]?.isTrue ?? false
        let isBlank = arguments[2]?.isTrue ?? false
        var result = isFirst ? indent : ""
        for (index, line) in try lines(of: text + "\n").enumerated() {
            try charge(line.utf8.count + indent.utf8.count + 1)
            if index > 0 {
                result += "\n"
                if isBlank || !line.isEmpty { result += indent }
            }
            result += line
        }
        return .string(result)
    }

    private func truncated(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let length = try whole(arguments[0], "truncate") ?? 255
        let end = try arguments[2].map { value throws(TemplateError) in try self.text(value, "truncate") } ?? "..."
        var leeway = 5
        switch arguments[3] ?? .null {
        case .null: break
        case let value: leeway = try whole(value, "truncate") ?? 5
        }
        let kept = length - end.unicodeScalars.count
        guard kept >= 0, leeway >= 0 else { throw fail(.value, "'truncate' needs a length beyond that of its end") }
        guard let count = try self.length(value) else { throw fail(.value, "\(value.typeName) has no length") }
        if count - leeway <= length { return value }
        let text = try text(value, "truncate")
        var result = String(text.unicodeScalars.prefix(kept))
        if arguments[1]?.isTrue != true, let space = result.unicodeScalars.lastIndex(of: " ") {
            result = String(result.unicodeScalars[..<space])
        }
        return try self.text(result + end)
    }

    private func words(_ text: String) throws(TemplateError) -> Int {
        try scan(text)
        var count = 0
        var isWord = false
        for scalar in text.unicodeScalars {
            if scalar.isPythonWord, !isWord { count += 1 }
            isWord = scalar.isPythonWord
        }
        return count
    }
}
