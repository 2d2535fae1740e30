import Foundation

extension Evaluator {
    /// What fills the places of a format.
    private struct Supply {
        let values: [Value]
        let names: Entries?
        var used = 0
    }

    /// Python's `format % values`.
    func formatted(_ format: String, with value: Value) throws(TemplateError) -> Value {
        try scan(format)
        var supply: Supply
        var mustUseAll = false
        switch value {
        case .tuple(let items):
            supply = Supply(values: items.values, names: nil)
            mustUseAll = true
        case .dictionary(let entries): supply = Supply(values: [value], names: entries)
        default:
            supply = Supply(values: [value], names: nil)
            switch value {
            case .list, .undefined, .range: break
            default: mustUseAll = true
            }
        }
        var result = ""
        var letters = Array(format.unicodeScalars)[...]
        while let letter = letters.popFirst() {
            if letter != "%" {
                result.unicodeScalars.append(letter)
            } else if letters.first == "%" {
                letters.removeFirst()
                result += "%"
            } else {
                try place(&letters, &supply, &result)
            }
        }
        guard !mustUseAll || supply.used == supply.values.count else {
            throw fail(.value, "a format does not use all of its values")
        }
        return try text(result)
    }

    private func place(
        _ letters: inout ArraySlice<Unicode.Scalar>, _ supply: inout Supply, _ result: inout String
    ) throws(TemplateError) {
        var named: Value?
        if letters.first == "(" {
            guard let end = letters.firstIndex(of: ")") else { throw fail(.value, "a format's key has no end") }
            let name = String(scalars: letters[letters.startIndex + 1..<end])
            if name.unicodeScalars.contains("(") { throw unsupported("parentheses in a format's key") }
            letters = letters[(end + 1)...]
            guard let value = supply.names?[name] else { throw fail(.value, "a format's key '\(name)' is not given") }
            named = value
        }
        var flags = Set<Unicode.Scalar>()
        while let flag = letters.first, ["-", "+", " ", "0", "#"].contains(flag) {
            flags.insert(flag)
            letters.removeFirst()
        }
        let width = try number(&letters) ?? 0
        var precision: Int?
        if letters.first == "." {
            letters.removeFirst()
            precision = try number(&letters) ?? 0
        }
        guard let kind = letters.popFirst() else { throw fail(.value, "a format ends within a place") }
        if kind == "*" || flags.contains("#") || ["h", "l", "L", "%"].contains(kind) {
            throw unsupported("this place of a format")
        }
        let value: Value
        if let named {
            value = named
        } else {
            guard supply.used < supply.values.count else { throw fail(.value, "a format has too few values") }
            value = supply.values[supply.used]
            supply.used += 1
        }
        let body = try formatted(value, kind, flags, precision)
        let padded = try pad(body, width, kind == "s" || kind == "r" ? flags.subtracting(["0"]) : flags)
        try charge(padded.utf8.count)
        result += padded
    }

    private func number(_ letters: inout ArraySlice<Unicode.Scalar>) throws(TemplateError) -> Int? {
        var digits = ""
        while let letter = letters.first, letter.isASCIIDigit {
            digits.unicodeScalars.append(letter)
            letters.removeFirst()
        }
        if digits.isEmpty { return nil }
        guard let number = Int(digits), number < 10_000 else { throw unsupported("a format of this width") }
        return number
    }

    private func formatted(
        _ value: Value, _ kind: Unicode.Scalar, _ flags: Set<Unicode.Scalar>, _ precision: Int?
    ) throws(TemplateError) -> String {
        switch kind {
        case "s", "r":
            let text = kind == "s" ? try string(value) : try representation(value)
            return precision.map { String(text.unicodeScalars.prefix($0)) } ?? text
        case "d", "i", "u", "x", "X", "o":
            guard precision == nil else { throw unsupported("a whole number's precision in a format") }
            var number = value.asInt
            if case .float(let float) = value, "diu".unicodeScalars.contains(kind) {
                guard let whole = Int(exactly: float.rounded(.towardZero)) else {
                    throw unsupported("a whole number beyond 64 bits in a format")
                }
                number = whole
            }
            guard let number else { throw fail(.value, "a format needs a number, not \(value.typeName)") }
            let radix = kind == "o" ? 8 : kind == "x" || kind == "X" ? 16 : 10
            return signed(String(number.magnitude, radix: radix, uppercase: kind == "X"), number < 0, flags)
        case "f", "F", "e", "E", "g", "G":
            guard let number = Number(value)?.asDouble else {
                throw fail(.value, "a format needs a number, not \(value.typeName)")
            }
            guard number.isFinite else { throw unsupported("a number that is not finite in a format") }
            guard (precision ?? 6) <= 400 else { throw unsupported("a format of this precision") }
            let text = String(format: "%.\(precision ?? 6)\(kind)", number.magnitude)
            return signed(text, number.sign == .minus, flags)
        case "c", "a": throw unsupported("'%\(kind)' in a format")
        default: throw fail(.value, "a format has a place of no kind, '%\(kind)'")
        }
    }

    private func signed(_ digits: String, _ isNegative: Bool, _ flags: Set<Unicode.Scalar>) -> String {
        (isNegative ? "-" : flags.contains("+") ? "+" : flags.contains(" ") ? " " : "") + digits
    }

    private func pad(_ text: String, _ width: Int, _ flags: Set<Unicode.Scalar>) throws(TemplateError) -> String {
        let missing = width - text.unicodeScalars.count
        guard missing > 0 else { return text }
        let fill = String(repeating: flags.contains("0") && !flags.contains("-") ? "0" : " ", count: missing)
        if flags.contains("-") { return text + fill }
        guard flags.contains("0"), let first = text.unicodeScalars.first, ["-", "+", " "].contains(first) else {
            return fill + text
        }
        return String(first) + fill + String(text.unicodeScalars.dropFirst())
    }

    /// Python's `format.format(values)`, without layouts after a colon.
    func formatted(_ format: String, _ arguments: Arguments) throws(TemplateError) -> Value {
        var result = ""
        var automatic: Int? = 0
        var letters = Array(format.unicodeScalars)[...]
        while let letter = letters.popFirst() {
            if letter == "{" || letter == "}", letters.first == letter {
                letters.removeFirst()
                result.unicodeScalars.append(letter)
            } else if letter == "}" {
                throw fail(.value, "a format has a '}' that closes nothing")
            } else if letter == "{" {
                guard let end = letters.firstIndex(of: "}") else { throw fail(.value, "a format's place has no end") }
                let field = String(scalars: letters[..<end])
                letters = letters[(end + 1)...]
                let part = try self.field(field, arguments, &automatic)
                try charge(part.utf8.count)
                result += part
            } else {
                result.unicodeScalars.append(letter)
            }
        }
        return try text(result)
    }

    private func field(
        _ field: String, _ arguments: Arguments, _ automatic: inout Int?
    ) throws(TemplateError) -> String {
        guard field.unicodeScalars.allSatisfy({ $0 == "_" || ($0.isASCII && $0.isPythonWord) }) else {
            throw unsupported("the place '{\(field)}' of a format")
        }
        let value: Value?
        if let number = field.isEmpty ? automatic : Int(field) {
            if field.isEmpty {
                automatic = number + 1
            } else {
                if let counted = automatic, counted > 0 { throw fail(.value, "a format numbers only some places") }
                automatic = nil
            }
            value = number < arguments.positional.count ? arguments.positional[number] : nil
        } else if field.isEmpty {
            throw fail(.value, "a format numbers only some places")
        } else {
            value = arguments.keywords.first { $0.name == field }?.value
        }
        guard let value else { throw fail(.value, "a format has no value for '{\(field)}'") }
        return try string(value)
    }
}
