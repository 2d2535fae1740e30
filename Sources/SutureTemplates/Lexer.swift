/// Cuts a template into tokens and applies its whitespace control.
struct Lexer {
    let source: [Unicode.Scalar]
    let limits: TemplateLimits
    var position = 0
    var line = 1
    /// Whether the last tag took the newline after it, so that what follows begins a line.
    var isLineStart = true
    var result: [Token] = []

    init(_ text: String, limits: TemplateLimits) throws(TemplateError) {
        guard text.utf8.count <= limits.source else {
            throw TemplateError(.limit, line: 1, "the template is longer than \(limits.source) bytes")
        }
        var scalars: [Unicode.Scalar] = []
        var afterReturn = false
        for scalar in text.unicodeScalars {
            if scalar == "\r" {
                scalars.append("\n")
            } else if scalar != "\n" || !afterReturn {
                scalars.append(scalar)
            }
            afterReturn = scalar == "\r"
        }
        if scalars.last == "\n" { scalars.removeLast() }
        source = scalars
        self.limits = limits
    }

    mutating func tokens() throws(TemplateError) -> [Token] {
        while position < source.count {
            let start = position
            guard let open = nextTag() else {
                add(text: source[start...])
                advance(to: source.count)
                break
            }
            let kind = source[open + 1]
            var inside = open + 2
            var sign: Unicode.Scalar?
            if inside < source.count, source[inside] == "-" || source[inside] == "+" {
                sign = source[inside]
                inside += 1
            }
            add(text: trimmed(source[start..<open], before: sign, isVariable: kind == "{"))
            advance(to: inside)
            switch kind {
            case "#": try comment()
            case "{":
                add(.variableBegin)
                try tag(isBlock: false)
            default:
                if let body = rawBody() {
                    try raw(from: body)
                } else {
                    add(.blockBegin)
                    try tag(isBlock: true)
                }
            }
        }
        add(.end)
        return result
    }

    func fail(_ what: String) -> TemplateError { TemplateError(.syntax, line: line, what) }

    mutating func add(_ kind: Token.Kind) { result.append(Token(kind: kind, line: line)) }

    private mutating func add(text: ArraySlice<Unicode.Scalar>) {
        if !text.isEmpty { add(.text(String(scalars: text))) }
    }

    mutating func advance(to end: Int) {
        while position < end {
            if source[position] == "\n" { line += 1 }
            position += 1
        }
    }

    func matches(_ text: StaticString, at index: Int) -> Bool {
        var index = index
        return text.withUTF8Buffer { bytes in
            for byte in bytes {
                guard index < source.count, source[index].value == UInt32(byte) else { return false }
                index += 1
            }
            return true
        }
    }

    func afterSpace(_ index: Int) -> Int {
        var index = index
        while index < source.count, source[index].isPythonSpace { index += 1 }
        return index
    }

    private func nextTag() -> Int? {
        var index = position
        while index + 1 < source.count {
            if source[index] == "{", ["{", "%", "#"].contains(source[index + 1]) { return index }
            index += 1
        }
        return nil
    }

    /// Removes whitespace before a tag: all of it for `-`, the indentation of the line for a block without `+`.
    private func trimmed(
        _ text: ArraySlice<Unicode.Scalar>, before sign: Unicode.Scalar?, isVariable: Bool
    ) -> ArraySlice<Unicode.Scalar> {
        var end = text.endIndex
        if sign == "-" {
            while end > text.startIndex, text[end - 1].isPythonSpace { end -= 1 }
            return text[text.startIndex..<end]
        }
        if sign == "+" || isVariable { return text }
        while end > text.startIndex, text[end - 1] != "\n", text[end - 1].isPythonSpace { end -= 1 }
        if end == text.startIndex { return isLineStart ? text[end..<end] : text }
        return text[end - 1] == "\n" ? text[text.startIndex..<end] : text
    }

    /// Moves behind the end of a tag that starts at `index`; nil if none is there.
    func afterEnd(_ end: StaticString, at index: Int, trimsNewline: Bool) -> Int? {
        if source[index] == "-", matches(end, at: index + 1) { return afterSpace(index + 1 + 2) }
        if trimsNewline, source[index] == "+", matches(end, at: index + 1) { return index + 1 + 2 }
        guard matches(end, at: index) else { return nil }
        let after = index + 2
        return trimsNewline && after < source.count && source[after] == "\n" ? after + 1 : after
    }

    mutating func finishTag(at end: Int) {
        advance(to: end)
        isLineStart = end > 0 && source[end - 1] == "\n"
    }

    private mutating func comment() throws(TemplateError) {
        var index = position
        while index < source.count {
            if let end = afterEnd("#}", at: index, trimsNewline: true) { return finishTag(at: end) }
            index += 1
        }
        throw fail("this comment has no '#}'")
    }

    /// Where the text of `{% raw %}` begins, if the block at hand is one.
    private func rawBody() -> Int? {
        let name = afterSpace(position)
        guard matches("raw", at: name) else { return nil }
        let end = afterSpace(name + 3)
        if matches("-%}", at: end) { return afterSpace(end + 3) }
        return matches("%}", at: end) ? end + 2 : nil
    }

    private mutating func raw(from body: Int) throws(TemplateError) {
        finishTag(at: body)
        var index = body
        while index < source.count {
            if matches("{%", at: index) {
                var name = index + 2
                var sign: Unicode.Scalar?
                if name < source.count, source[name] == "-" || source[name] == "+" {
                    sign = source[name]
                    name += 1
                }
                name = afterSpace(name)
                let close = afterSpace(name + 6)
                if matches("endraw", at: name), close < source.count,
                    let end = afterEnd("%}", at: close, trimsNewline: true)
                {
                    add(text: trimmed(source[body..<index], before: sign, isVariable: false))
                    return finishTag(at: end)
                }
            }
            index += 1
        }
        throw fail("this raw block has no '{% endraw %}'")
    }
}
