extension Evaluator {
    /// How `tojson` lays out its text.
    struct JSONLayout {
        var indent: String?
        var itemSeparator = ", "
        var keySeparator = ": "
        var isSorted = false
        var isASCII = false
    }

    /// Python's `json.dumps`, as transformers' `tojson` calls it.
    func json(_ subject: Value, _ arguments: [Value?]) throws(TemplateError) -> Value {
        var layout = JSONLayout()
        layout.isASCII = arguments[0]?.isTrue ?? false
        switch arguments[1] ?? .null {
        case .null: break
        case .string(let indent): layout.indent = indent
        case let value:
            guard let width = value.asInt else { throw fail(.value, "the indent of 'tojson' is no number and no text") }
            try charge(max(width, 0))
            layout.indent = String(repeating: " ", count: max(width, 0))
        }
        if layout.indent != nil { layout.itemSeparator = "," }
        switch arguments[2] ?? .null {
        case .null: break
        case let value:
            let parts = try values(of: value)
            guard parts.count == 2, case .string(let item) = parts[0], case .string(let key) = parts[1] else {
                throw fail(.value, "the separators of 'tojson' are not two texts")
            }
            layout.itemSeparator = item
            layout.keySeparator = key
        }
        layout.isSorted = arguments[3]?.isTrue ?? false
        var result = ""
        try write(subject, layout, level: 0, &result)
        return .string(result)
    }

    private func write(
        _ value: Value, _ layout: JSONLayout, level: Int, _ result: inout String
    ) throws(TemplateError) {
        try step()
        try charge(4)
        switch value {
        case .null: result += "null"
        case .bool(let value): result += value ? "true" : "false"
        case .int(let value): result += String(value)
        case .float(let value): result += Self.jsonDescription(value)
        case .string(let text): try write(text, layout, &result)
        case .list(let items), .tuple(let items):
            if items.values.isEmpty {
                result += "[]"
                return
            }
            result += "["
            for (index, item) in items.values.enumerated() {
                try separate(index, layout, level: level + 1, &result)
                try write(item, layout, level: level + 1, &result)
            }
            try breakLine(layout, level: level, &result)
            result += "]"
        case .dictionary(let entries): try write(entries, layout, level: level, &result)
        case .undefined(let what): throw fail(.undefined, "\(what), and 'tojson' has no text for it")
        default: throw fail(.value, "'tojson' has no text for a value of type \(value.typeName)")
        }
    }

    private func write(
        _ entries: Entries, _ layout: JSONLayout, level: Int, _ result: inout String
    ) throws(TemplateError) {
        if entries.count == 0 {
            result += "{}"
            return
        }
        var pairs: [(key: Value, value: Value)] = []
        for (key, value) in zip(entries.keys, entries.values) {
            pairs.append((key, layout.isSorted ? try tuple([key, value]) : value))
        }
        if layout.isSorted {
            pairs = try sorted(pairs.map { ($0.key, $0.value) }, isReversed: false).map {
                guard case .tuple(let pair) = $0 else { return (.null, $0) }
                return (pair.values[0], pair.values[1])
            }
        }
        result += "{"
        for (index, (key, value)) in pairs.enumerated() {
            try separate(index, layout, level: level + 1, &result)
            switch key {
            case .string(let text): try write(text, layout, &result)
            case .bool(let value): result += value ? "\"true\"" : "\"false\""
            case .null: result += "\"null\""
            case .int(let value): result += "\"\(value)\""
            case .float(let value): result += "\"\(Self.jsonDescription(value))\""
            default: throw fail(.value, "'tojson' has no text for a key of type \(key.typeName)")
            }
            result += layout.keySeparator
            try write(value, layout, level: level + 1, &result)
        }
        try breakLine(layout, level: level, &result)
        result += "}"
    }

    private static func jsonDescription(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return value.pythonDescription
    }

    private func separate(
        _ index: Int, _ layout: JSONLayout, level: Int, _ result: inout String
    ) throws(TemplateError) {
        if index > 0 {
            try charge(layout.itemSeparator.utf8.count)
            result += layout.itemSeparator
        }
        try charge(layout.keySeparator.utf8.count)
        try breakLine(layout, level: level, &result)
    }

    private func breakLine(_ layout: JSONLayout, level: Int, _ result: inout String) throws(TemplateError) {
        guard let indent = layout.indent else { return }
        try charge(indent.utf8.count * level + 1)
        result += "\n"
        for _ in 0..<level { result += indent }
    }

    private func write(_ text: String, _ layout: JSONLayout, _ result: inout String) throws(TemplateError) {
        try charge(text.utf8.count)
        try scan(text)
        result += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{c}": result += "\\f"
            default:
                if scalar.value < 32 || (layout.isASCII && scalar.value > 126) {
                    for unit in String(scalar).utf16 {
                        let digits = String(unit, radix: 16)
                        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                    }
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        result += "\""
    }
}
