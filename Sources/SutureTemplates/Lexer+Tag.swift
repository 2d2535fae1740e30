extension Lexer {
    private static let pairs: [Unicode.Scalar: Unicode.Scalar] = ["(": ")", "[": "]", "{": "}"]
    private static let double: Set<String> = ["**", "//", "==", "!=", ">=", "<="]
    private static let single = Set("+-/*%~[](){}><=.:|,;".unicodeScalars)

    /// Reads the inside of a tag up to its end.
    mutating func tag(isBlock: Bool) throws(TemplateError) {
        var open: [Unicode.Scalar] = []
        while true {
            advance(to: afterSpace(position))
            guard position < source.count else { throw fail("this tag has no \(isBlock ? "'%}'" : "'}}'")") }
            if open.isEmpty, let end = afterEnd(isBlock ? "%}" : "}}", at: position, trimsNewline: isBlock) {
                add(isBlock ? .blockEnd : .variableEnd)
                return finishTag(at: end)
            }
            let scalar = source[position]
            if scalar.isASCIIDigit {
                try number()
            } else if scalar.isPythonWord {
                try name()
            } else if scalar == "'" || scalar == "\"" {
                try string(quote: scalar)
            } else {
                try symbol(&open)
            }
        }
    }

    private mutating func symbol(_ open: inout [Unicode.Scalar]) throws(TemplateError) {
        let scalar = source[position]
        if position + 1 < source.count {
            let two = String(scalars: source[position...position + 1])
            if Self.double.contains(two) {
                add(.symbol(two))
                return advance(to: position + 2)
            }
        }
        guard Self.single.contains(scalar) else { throw fail("'\(scalar)' is not expected here") }
        if let close = Self.pairs[scalar] {
            guard open.count < limits.nesting else {
                throw TemplateError(.limit, line: line, "more than \(limits.nesting) brackets within each other")
            }
            open.append(close)
        } else if [")", "]", "}"].contains(scalar) {
            guard open.popLast() == scalar else { throw fail("'\(scalar)' closes nothing") }
        }
        add(.symbol(String(scalars: [scalar])))
        advance(to: position + 1)
    }

    private mutating func name() throws(TemplateError) {
        var end = position
        while end < source.count, source[end].isPythonWord {
            guard source[end].isASCII else {
                throw TemplateError(.unsupported, line: line, "a name with letters outside of ASCII")
            }
            end += 1
        }
        add(.name(String(scalars: source[position..<end])))
        advance(to: end)
    }

    /// The end of digits with single underscores between them; nil if there is no digit.
    private func afterDigits(_ start: Int, _ isDigit: (Unicode.Scalar) -> Bool = \.isASCIIDigit) -> Int? {
        var index = start
        while index < source.count {
            if isDigit(source[index]) {
                index += 1
            } else if source[index] == "_", index > start, index + 1 < source.count, isDigit(source[index + 1]) {
                index += 2
            } else {
                break
            }
        }
        return index == start ? nil : index
    }

    private mutating func number() throws(TemplateError) {
        if try float() { return }
        var radix = 10
        var start = position
        var end = position + 1
        if source[position] == "0", position + 1 < source.count {
            let prefixes: [Unicode.Scalar: Int] = ["x": 16, "X": 16, "o": 8, "O": 8, "b": 2, "B": 2]
            var digits = position + 2
            if let found = prefixes[source[position + 1]] {
                if digits < source.count, source[digits] == "_" { digits += 1 }
                let isDigit: (Unicode.Scalar) -> Bool = { $0.isASCIIHexDigit && Int(String($0), radix: found) != nil }
                if let after = afterDigits(digits, isDigit) {
                    (radix, start, end) = (found, digits, after)
                }
            } else if let after = afterDigits(position, { $0 == "0" }) {
                end = after
            }
        } else {
            end = afterDigits(position) ?? end
        }
        let digits = String(scalars: source[start..<end].filter { $0 != "_" })
        guard let value = Int(digits, radix: radix) else {
            throw TemplateError(.unsupported, line: line, "a whole number beyond 64 bits")
        }
        add(.int(value))
        advance(to: end)
    }

    private mutating func float() throws(TemplateError) -> Bool {
        // After a dot, digits are an index: `messages.0.1`.
        if position > 0, source[position - 1] == "." { return false }
        guard var end = afterDigits(position) else { return false }
        var isFloat = false
        if end < source.count, source[end] == ".", let after = afterDigits(end + 1) {
            (end, isFloat) = (after, true)
        }
        if end < source.count, source[end] == "e" || source[end] == "E" {
            var exponent = end + 1
            if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
            if let after = afterDigits(exponent) { (end, isFloat) = (after, true) }
        }
        guard isFloat else { return false }
        guard let value = Double(String(scalars: source[position..<end].filter { $0 != "_" })) else {
            throw fail("a number that cannot be read")
        }
        add(.float(value))
        advance(to: end)
        return true
    }

    private mutating func string(quote: Unicode.Scalar) throws(TemplateError) {
        var index = position + 1
        var text = String.UnicodeScalarView()
        while index < source.count {
            let scalar = source[index]
            if scalar == quote {
                add(.string(String(text)))
                return advance(to: index + 1)
            }
            index += 1
            if scalar == "\\", index < source.count {
                try escape(at: &index, into: &text)
            } else {
                text.append(scalar)
            }
        }
        throw fail("this string has no end")
    }

    /// Reads what follows a backslash, as Python's string literals have it.
    private func escape(
        at index: inout Int, into text: inout String.UnicodeScalarView
    ) throws(TemplateError) {
        let simple: [Unicode.Scalar: Unicode.Scalar] = [
            "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}",
            "f": "\u{c}", "v": "\u{b}"
        ]
        let scalar = source[index]
        index += 1
        if let plain = simple[scalar] { return text.append(plain) }
        if scalar == "\n" { return }
        var digits = ""
        var radix: UInt32 = 16
        if ("0"..."7").contains(scalar) {
            radix = 8
            digits = String(scalar)
            while digits.count < 3, index < source.count, ("0"..."7").contains(source[index]) {
                digits.unicodeScalars.append(source[index])
                index += 1
            }
        } else if let count = ["x": 2, "u": 4, "U": 8][scalar] {
            while digits.count < count, index < source.count, source[index].isASCIIHexDigit {
                digits.unicodeScalars.append(source[index])
                index += 1
            }
            guard digits.count == count else { throw fail("'\\\(scalar)' needs \(count) hexadecimal digits") }
        } else if scalar == "N" {
            throw TemplateError(.unsupported, line: line, "a letter by its name, '\\N'")
        } else {
            text.append("\\")
            // Python reads the rest from an ASCII form, in which another letter is its own escape.
            if scalar.isASCII {
                text.append(scalar)
            } else {
                text.append(contentsOf: scalar.pythonEscape.dropFirst().unicodeScalars)
            }
            return
        }
        guard let number = UInt32(digits, radix: Int(radix)) else { throw fail("an escape that cannot be read") }
        guard let value = Unicode.Scalar(number) else {
            throw TemplateError(.unsupported, line: line, "an escape that is no Unicode character")
        }
        text.append(value)
    }
}

extension Unicode.Scalar {
    /// `\xe9`, `\u2028` or `\U0001f600`.
    var pythonEscape: String {
        let digits = String(value, radix: 16)
        let (letter, width) = value < 0x100 ? ("x", 2) : value < 0x10000 ? ("u", 4) : ("U", 8)
        return "\\" + letter + String(repeating: "0", count: width - digits.count) + digits
    }
}
