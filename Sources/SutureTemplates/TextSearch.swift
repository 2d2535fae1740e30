extension Evaluator {
    /// Where a text first stands in another, in bytes. Takes time in proportion to both, whatever they are.
    func firstRange(of part: String, in text: String) throws(TemplateError) -> Range<Int>? {
        try places(of: part, in: text, limit: 1).first
    }

    /// Where a text stands in another, from the left and without overlap, in bytes (Knuth, Morris and Pratt).
    func places(of part: String, in text: String, limit: Int = .max) throws(TemplateError) -> [Range<Int>] {
        try scan(text)
        try scan(part)
        return Self.places(of: Array(part.utf8), in: Array(text.utf8), limit: limit)
    }

    static func places(of part: [UInt8], in text: [UInt8], limit: Int) -> [Range<Int>] {
        guard limit > 0 else { return [] }
        guard !part.isEmpty else {
            // Nothing stands before each letter and at the end.
            let starts = text.indices.filter { text[$0] & 0xC0 != 0x80 } + [text.count]
            return starts.prefix(limit).map { $0..<$0 }
        }
        guard part.count <= text.count else { return [] }
        var fallback = [Int](repeating: 0, count: part.count)
        var matched = 0
        for index in part.indices.dropFirst() {
            while matched > 0, part[index] != part[matched] { matched = fallback[matched - 1] }
            if part[index] == part[matched] { matched += 1 }
            fallback[index] = matched
        }
        var result: [Range<Int>] = []
        matched = 0
        for index in text.indices {
            while matched > 0, text[index] != part[matched] { matched = fallback[matched - 1] }
            if text[index] == part[matched] { matched += 1 }
            guard matched == part.count else { continue }
            result.append(index + 1 - matched..<index + 1)
            if result.count == limit { break }
            matched = 0
        }
        return result
    }

    /// The same from the right; the rightmost first.
    func placesFromRight(of part: String, in text: String, limit: Int) throws(TemplateError) -> [Range<Int>] {
        try scan(text)
        try scan(part)
        let count = text.utf8.count
        return Self.places(of: part.utf8.reversed(), in: text.utf8.reversed(), limit: limit)
            .map { count - $0.upperBound..<count - $0.lowerBound }
    }

    func replaced(
        _ text: String, _ old: String, _ new: String, limit: Int = .max
    ) throws(TemplateError) -> Value {
        let places = try places(of: old, in: text, limit: limit < 0 ? .max : limit)
        let (added, overflow) = places.count.multipliedReportingOverflow(by: new.utf8.count)
        try charge(overflow ? .max : added)
        try charge(text.utf8.count)
        var result: [UInt8] = []
        let (bytes, new) = (Array(text.utf8), Array(new.utf8))
        var start = 0
        for place in places {
            result += bytes[start..<place.lowerBound]
            result += new
            start = place.upperBound
        }
        result += bytes[start...]
        return .string(String(decoding: result, as: UTF8.self))
    }

    func stripped(
        _ text: String, of set: String?, left: Bool = true, right: Bool = true
    ) throws(TemplateError) -> Value {
        try scan(text)
        let members = set.map { Set($0.unicodeScalars) }
        func isOff(_ scalar: Unicode.Scalar) -> Bool { members?.contains(scalar) ?? scalar.isPythonSpace }
        var rest = text.unicodeScalars[...]
        while left, let first = rest.first, isOff(first) { rest.removeFirst() }
        while right, let last = rest.last, isOff(last) { rest.removeLast() }
        return try self.text(String(rest))
    }

    /// Python's `split`: at a separator, or at runs of whitespace.
    func split(
        _ text: String, at separator: String?, limit: Int, fromRight: Bool
    ) throws(TemplateError) -> Value {
        let limit = limit < 0 ? Int.max : limit
        let parts: [String]
        if let separator {
            parts = try split(text, at: separator, limit: limit, fromRight: fromRight)
        } else {
            parts = try split(text, limit: limit, fromRight: fromRight)
        }
        var values: [Value] = []
        for part in parts { values.append(try self.text(part)) }
        return try list(values)
    }

    private func split(
        _ text: String, at separator: String, limit: Int, fromRight: Bool
    ) throws(TemplateError) -> [String] {
        guard !separator.isEmpty else { throw fail(.value, "a text is split at an empty text") }
        let places =
            fromRight
            ? try placesFromRight(of: separator, in: text, limit: limit).reversed()
            : try places(of: separator, in: text, limit: limit)
        let bytes = Array(text.utf8)
        try charge(places.count * 24)
        var result: [String] = []
        var start = 0
        for place in places {
            result.append(String(decoding: bytes[start..<place.lowerBound], as: UTF8.self))
            start = place.upperBound
        }
        return result + [String(decoding: bytes[start...], as: UTF8.self)]
    }

    private func split(_ text: String, limit: Int, fromRight: Bool) throws(TemplateError) -> [String] {
        try scan(text)
        try charge(text.utf8.count * 4)
        let scalars = Array(text.unicodeScalars)
        let letters = fromRight ? scalars.reversed() : scalars
        var result: [[Unicode.Scalar]] = []
        var index = 0
        while true {
            while index < letters.count, letters[index].isPythonSpace { index += 1 }
            guard index < letters.count else { break }
            let start = index
            if result.count == limit {
                var end = letters.count
                while letters[end - 1].isPythonSpace { end -= 1 }
                result.append(Array(letters[start..<end]))
                break
            }
            while index < letters.count, !letters[index].isPythonSpace { index += 1 }
            result.append(Array(letters[start..<index]))
        }
        if fromRight { return result.reversed().map { String(scalars: $0.reversed()) } }
        return result.map { String(scalars: $0) }
    }

    /// The lines of a text, as Python's `splitlines` finds them.
    func lines(of text: String, keepsEnds: Bool = false) throws(TemplateError) -> [String] {
        try scan(text)
        var result: [String] = []
        var line = String.UnicodeScalarView()
        var wasReturn = false
        for scalar in text.unicodeScalars {
            if wasReturn {
                wasReturn = false
                if scalar == "\n" {
                    if keepsEnds, let last = result.indices.last { result[last].unicodeScalars.append("\n") }
                    continue
                }
            }
            switch scalar {
            case "\n", "\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}":
                if keepsEnds { line.append(scalar) }
                try charge(24)
                result.append(String(line))
                line = .init()
                wasReturn = scalar == "\r"
            default: line.append(scalar)
            }
        }
        if !line.isEmpty { result.append(String(line)) }
        return result
    }
}
