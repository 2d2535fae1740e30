extension Evaluator {
    /// Python's `str`, and nothing for undefined.
    func string(_ value: Value) throws(TemplateError) -> String {
        switch value {
        case .undefined: return ""
        case .string(let text): return text
        default: return try representation(value)
        }
    }

    /// Python's `repr`.
    func representation(_ value: Value) throws(TemplateError) -> String {
        var result = ""
        try represent(value, &result)
        return result
    }

    private func represent(_ value: Value, _ result: inout String) throws(TemplateError) {
        try step()
        try charge(4)
        switch value {
        case .undefined: result += "Undefined"
        case .null: result += "None"
        case .bool(let value): result += value ? "True" : "False"
        case .int(let value): result += String(value)
        case .float(let value): result += value.pythonDescription
        case .string(let text): try represent(text, &result)
        case .list(let items): try represent(items.values, "[", "]", &result)
        case .tuple(let items): try represent(items.values, "(", items.values.count == 1 ? ",)" : ")", &result)
        case .range(let range):
            result += "range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))"
        case .dictionary(let entries):
            result += "{"
            for (index, (key, value)) in zip(entries.keys, entries.values).enumerated() {
                if index > 0 { result += ", " }
                try represent(key, &result)
                result += ": "
                try represent(value, &result)
            }
            result += "}"
        case .view(let part, let entries):
            let name = part == .keys ? "keys" : part == .values ? "values" : "items"
            try represent(entries.part(part), "dict_\(name)([", "])", &result)
        default: throw unsupported("the printing of a value of type \(value.typeName)")
        }
    }

    private func represent(
        _ values: [Value], _ open: String, _ close: String, _ result: inout String
    ) throws(TemplateError) {
        result += open
        for (index, value) in values.enumerated() {
            if index > 0 { result += ", " }
            try represent(value, &result)
        }
        result += close
    }

    private func represent(_ text: String, _ result: inout String) throws(TemplateError) {
        try charge(text.utf8.count)
        try scan(text)
        let scalars = text.unicodeScalars
        let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
        result.unicodeScalars.append(quote)
        for scalar in scalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case quote:
                result += "\\"
                result.unicodeScalars.append(scalar)
            default:
                if scalar.isPythonPrintable {
                    result.unicodeScalars.append(scalar)
                } else {
                    result += scalar.pythonEscape
                }
            }
        }
        result.unicodeScalars.append(quote)
    }
}

extension Double {
    /// The shortest text that reads back as this number, laid out as Python does.
    var pythonDescription: String {
        if isNaN { return "nan" }
        if isInfinite { return self < 0 ? "-inf" : "inf" }
        let sign = sign == .minus ? "-" : ""
        if self == 0 { return sign + "0.0" }
        // Swift finds the same digits; only the place of the point differs.
        let parts = magnitude.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = String(mantissa[0])
        let fraction = mantissa.count > 1 ? String(mantissa[1]) : ""
        let power = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        var digits = Substring(whole + fraction)
        var point = whole.utf8.count + power
        while digits.first == "0", digits.count > 1 {
            digits = digits.dropFirst()
            point -= 1
        }
        while digits.last == "0", digits.count > 1 { digits = digits.dropLast() }
        let count = digits.count
        if point > -4, point <= 16 {
            if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
            if point >= count { return sign + digits + String(repeating: "0", count: point - count) + ".0" }
            return sign + digits.prefix(point) + "." + digits.dropFirst(point)
        }
        let exponent = point - 1
        let power10 = (exponent < 0 ? "-" : "+") + (abs(exponent) < 10 ? "0" : "") + String(abs(exponent))
        return sign + digits.prefix(1) + (count > 1 ? "." + digits.dropFirst() : "") + "e" + power10
    }
}
