import Foundation

extension Evaluator {
    func filterNumber(_ name: String, _ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        if case .undefined(let what) = value { throw fail(.undefined, what) }
        switch name {
        case "abs":
            switch Number(value) {
            case .int(let number): return number < 0 ? try negative(value) : .int(number)
            case .float(let number): return .float(number.magnitude)
            case nil: throw fail(.value, "'abs' needs a number, not \(value.typeName)")
            }
        case "int": return try int(value, arguments)
        case "float":
            let standard = arguments[0] ?? .float(0)
            if let number = Number(value) { return .float(number.asDouble) }
            guard case .string(let text) = value else { return standard }
            return try double(text).map { .float($0) } ?? standard
        default: return try rounded(value, arguments)
        }
    }

    private func int(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let standard = arguments[0] ?? .int(0)
        if let number = value.asInt { return .int(number) }
        var float: Double?
        if case .float(let number) = value {
            if number.isInfinite { throw fail(.value, "infinity is no whole number") }
            float = number
        } else if case .string(let text) = value {
            let base = try whole(arguments[1], "int") ?? 10
            if let number = try integer(text, base: base) { return .int(number) }
            float = try double(text)
        }
        guard let float, float.isFinite else { return standard }
        guard let number = Int(exactly: float.rounded(.towardZero)) else {
            throw fail(.unsupported, "a whole number beyond 64 bits")
        }
        return .int(number)
    }

    /// The inside of a number's text without whitespace, sign and single underscores; nil if it cannot be one.
    private func digits(_ text: String) throws(TemplateError) -> (isNegative: Bool, digits: String)? {
        guard case .string(let text) = try stripped(text, of: nil) else { return nil }
        var scalars = text.unicodeScalars[...]
        let isNegative = scalars.first == "-"
        if isNegative || scalars.first == "+" { scalars.removeFirst() }
        var result = String.UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in scalars {
            if scalar == "_" {
                guard let previous, previous.isASCIIHexDigit || "xXoO".unicodeScalars.contains(previous) else {
                    return nil
                }
            } else {
                if previous == "_", !scalar.isASCIIHexDigit { return nil }
                if !scalar.isASCII, scalar.properties.numericType == .decimal {
                    throw unsupported("a number in digits outside of ASCII")
                }
                result.append(scalar)
            }
            previous = scalar
        }
        guard let last = previous, last != "_" else { return nil }
        return (isNegative, String(result))
    }

    /// Python's `int` of a text.
    private func integer(_ text: String, base: Int) throws(TemplateError) -> Int? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        guard case (let isNegative, var digits)? = try digits(text) else { return nil }
        var radix = base
        let prefixes = ["0x": 16, "0o": 8, "0b": 2]
        let prefix = String(digits.unicodeScalars.prefix(2)).lowercased()
        if let found = prefixes[prefix], base == 0 || base == found {
            radix = found
            digits = String(digits.unicodeScalars.dropFirst(2))
        } else if base == 0 {
            radix = 10
            if digits.hasPrefix("0"), digits.contains(where: { $0 != "0" }) { return nil }
        } else if text.contains("_"), text.contains(where: { "xXoObB".contains($0) }) {
            throw unsupported("underscores in a number of this base")
        }
        let isNumber = digits.unicodeScalars.allSatisfy { Int(String($0), radix: radix) != nil }
        guard !digits.isEmpty, isNumber else { return nil }
        guard let number = Int((isNegative ? "-" : "") + digits, radix: radix) else {
            throw fail(.unsupported, "a whole number beyond 64 bits")
        }
        return number
    }

    /// Python's `float` of a text.
    private func double(_ text: String) throws(TemplateError) -> Double? {
        guard let (isNegative, digits) = try digits(text) else { return nil }
        let sign = isNegative ? -1.0 : 1.0
        switch digits.lowercased() {
        case "inf", "infinity": return sign * .infinity
        case "nan": return .nan
        default: break
        }
        guard digits.unicodeScalars.allSatisfy({ $0.isASCIIDigit || ".eE+-".unicodeScalars.contains($0) }),
            let number = Double(digits.hasPrefix(".") ? "0" + digits : digits.hasSuffix(".") ? digits + "0" : digits)
        else { return nil }
        return sign * number
    }

    private func rounded(_ value: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        let precision = try whole(arguments[0], "round") ?? 0
        let method = try arguments[1].map { value throws(TemplateError) in try text(value, "round") } ?? "common"
        guard ["common", "ceil", "floor"].contains(method) else {
            throw fail(.value, "'round' knows no method '\(method)'")
        }
        guard let number = Number(value) else {
            throw fail(.value, "'round' needs a number, not \(value.typeName)")
        }
        guard (0...15).contains(precision) else { throw unsupported("'round' to \(precision) digits") }
        if method == "common" {
            guard case .float(let float) = number else { return try positive(value) }
            guard float.isFinite else { return value }
            return .float(Double(String(format: "%.\(precision)f", float)) ?? float)
        }
        let scale = pow(10, Double(precision))
        let scaled = number.asDouble * scale
        guard scaled.magnitude < 0x1p53 else { throw unsupported("'round' of so large a number") }
        // The whole number in between has no negative zero.
        return .float((scaled.rounded(method == "ceil" ? .up : .down) + 0) / scale)
    }
}
