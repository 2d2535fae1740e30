/// The methods of Python's `str`.
enum TextMethods {
    static let names: Set<String> = [
        "capitalize", "center", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
        "isdigit", "islower", "isspace", "isupper", "join", "ljust", "lower", "lstrip", "partition", "removeprefix",
        "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines",
        "startswith", "strip", "title", "upper", "zfill"
    ]
    static let unsupported: Set<String> = [
        "casefold", "encode", "expandtabs", "format_map", "isdecimal", "isidentifier", "isnumeric", "isprintable",
        "istitle", "maketrans", "swapcase", "translate"
    ]
}

extension Evaluator {
    func call(_ name: String, of text: String, _ arguments: Arguments) throws(TemplateError) -> Value {
        try scan(text)
        switch name {
        case "format": return try formatted(text, arguments)
        case "split", "rsplit":
            let values = try bind(arguments, ["sep", "maxsplit"], of: name)
            return try split(
                text, at: try optionalText(values[0], name), limit: try whole(values[1], name) ?? -1,
                fromRight: name == "rsplit")
        case "splitlines":
            let keepsEnds = try bind(arguments, ["keepends"], of: name)[0]?.isTrue ?? false
            var values: [Value] = []
            for line in try lines(of: text, keepsEnds: keepsEnds) { values.append(try self.text(line)) }
            return try list(values)
        default: break
        }
        guard arguments.keywords.isEmpty else { throw fail(.value, "'\(name)' takes no named arguments") }
        let values = arguments.positional
        switch (name, values.count) {
        case ("upper", 0): return try self.text(text.pythonUppercased)
        case ("lower", 0): return try self.text(text.pythonLowercased)
        case ("title", 0): return try self.text(text.pythonTitlecased)
        case ("capitalize", 0): return try self.text(text.pythonCapitalized)
        case ("islower", 0): return .bool(text.isPythonCased(lower: true))
        case ("isupper", 0): return .bool(text.isPythonCased(lower: false))
        case ("isascii", 0): return .bool(text.utf8.allSatisfy { $0 < 128 })
        case ("isspace", 0): return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(\.isPythonSpace))
        case ("isalpha", 0): return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(\.isPythonAlpha))
        case ("isalnum", 0): return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy(\.isPythonAlphanumeric))
        case ("isdigit", 0):
            return .bool(
                !text.isEmpty
                    && text.unicodeScalars.allSatisfy {
                        $0.properties.numericType == .decimal || $0.properties.numericType == .digit
                    })
        case ("strip", 0...1), ("lstrip", 0...1), ("rstrip", 0...1):
            return try stripped(
                text, of: try optionalText(values.first, name), left: name != "rstrip", right: name != "lstrip")
        case ("startswith", 1), ("endswith", 1):
            var ends = values
            if case .tuple(let items) = values[0] { ends = items.values }
            for end in ends where try isEnd(try self.text(end, name), of: text, atStart: name == "startswith") {
                return .bool(true)
            }
            return .bool(false)
        case ("replace", 2...3):
            return try replaced(
                text, try self.text(values[0], name), try self.text(values[1], name),
                limit: values.count > 2 ? try whole(values[2], name) ?? -1 : -1)
        case ("join", 1): return try joined(try self.values(of: values[0]), by: text, allowsAll: false)
        case ("find", 1), ("rfind", 1), ("index", 1), ("rindex", 1), ("count", 1):
            return try find(name, try self.text(values[0], name), in: text)
        case ("removeprefix", 1), ("removesuffix", 1):
            let part = try self.text(values[0], name)
            let isPrefix = name == "removeprefix"
            guard try isEnd(part, of: text, atStart: isPrefix) else { return .string(text) }
            let count = part.unicodeScalars.count
            let scalars = text.unicodeScalars
            return try self.text(String(isPrefix ? scalars.dropFirst(count) : scalars.dropLast(count)))
        case ("partition", 1), ("rpartition", 1):
            return try partition(text, at: try self.text(values[0], name), fromRight: name == "rpartition")
        case ("center", 1...2), ("ljust", 1...2), ("rjust", 1...2):
            let fill = values.count > 1 ? try self.text(values[1], name) : " "
            guard fill.unicodeScalars.count == 1 else { throw fail(.value, "'\(name)' fills with one letter") }
            return try padded(text, to: try whole(values[0], name) ?? 0, with: fill, name)
        case ("zfill", 1):
            let signed = text.hasPrefix("-") || text.hasPrefix("+")
            let digits = signed ? String(text.unicodeScalars.dropFirst()) : text
            let width = max(try whole(values[0], name) ?? 0, 0) - (signed ? 1 : 0)
            guard case .string(let result) = try padded(digits, to: width, with: "0", "rjust") else { return .null }
            return try self.text((signed ? String(text.unicodeScalars.prefix(1)) : "") + result)
        case ("find", 2...3), ("rfind", 2...3), ("index", 2...3), ("rindex", 2...3), ("count", 2...3),
            ("startswith", 2...3), ("endswith", 2...3):
            throw unsupported("'\(name)' from a place on")
        default: throw fail(.value, "'\(name)' of a text takes another number of arguments")
        }
    }

    func text(_ value: Value, _ function: String) throws(TemplateError) -> String {
        guard case .string(let text) = value else {
            throw fail(.value, "'\(function)' needs a text, not a value of type \(value.typeName)")
        }
        return text
    }

    private func optionalText(_ value: Value?, _ function: String) throws(TemplateError) -> String? {
        switch value {
        case nil, .some(.null): return nil
        case .some(let value): return try text(value, function)
        }
    }

    /// The whole number that an argument is; nil if it is not given.
    func whole(_ value: Value?, _ function: String) throws(TemplateError) -> Int? {
        guard let value else { return nil }
        guard let number = value.asInt else {
            throw fail(.value, "'\(function)' needs a whole number, not a value of type \(value.typeName)")
        }
        return number
    }

    private func isEnd(_ end: String, of text: String, atStart: Bool) throws(TemplateError) -> Bool {
        try scan(end)
        if atStart { return text.utf8.starts(with: end.utf8) }
        return text.utf8.suffix(end.utf8.count).elementsEqual(end.utf8)
    }

    private func find(_ name: String, _ part: String, in text: String) throws(TemplateError) -> Value {
        if name == "count" { return .int(try places(of: part, in: text).count) }
        let fromRight = name.hasPrefix("r")
        let place =
            fromRight
            ? try placesFromRight(of: part, in: text, limit: 1).first
            : try firstRange(of: part, in: text)
        guard let place else {
            if name.hasSuffix("find") { return .int(-1) }
            throw fail(.value, "'\(name)' does not find the text")
        }
        return .int(text.utf8.prefix(place.lowerBound).count { $0 & 0xC0 != 0x80 })
    }

    private func partition(_ text: String, at part: String, fromRight: Bool) throws(TemplateError) -> Value {
        guard !part.isEmpty else { throw fail(.value, "a text is split at an empty text") }
        let place =
            fromRight
            ? try placesFromRight(of: part, in: text, limit: 1).first
            : try firstRange(of: part, in: text)
        try charge(text.utf8.count)
        guard let place else {
            return try tuple((fromRight ? ["", "", text] : [text, "", ""]).map { .string($0) })
        }
        let bytes = Array(text.utf8)
        return try tuple([
            .string(String(decoding: bytes[..<place.lowerBound], as: UTF8.self)), .string(part),
            .string(String(decoding: bytes[place.upperBound...], as: UTF8.self))
        ])
    }

    func padded(_ text: String, to width: Int, with fill: String, _ name: String) throws(TemplateError) -> Value {
        let count = text.unicodeScalars.count
        guard width > count else { return .string(text) }
        let missing = width - count
        try charge(missing > limits.memory ? .max : missing * 4)
        let left: Int
        switch name {
        case "ljust": left = 0
        case "rjust": left = missing
        default: left = missing / 2 + (missing & width & 1)
        }
        return try self.text(
            String(repeating: fill, count: left) + text + String(repeating: fill, count: missing - left))
    }

    func joined(_ values: [Value], by separator: String, allowsAll: Bool) throws(TemplateError) -> Value {
        var result = ""
        for (index, value) in values.enumerated() {
            let part = allowsAll ? try string(value) : try text(value, "join")
            try charge(part.utf8.count + separator.utf8.count)
            if index > 0 { result += separator }
            result += part
        }
        return .string(result)
    }
}
