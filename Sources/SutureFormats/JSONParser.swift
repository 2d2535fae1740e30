/// A reader of RFC 8259, over raw bytes; as Python does, it also takes NaN and infinities, which no reader of a number
/// accepts. A byte-order mark is skipped.
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let source: String
    private let duplicateKeys: JSON.DuplicateKeys
    private var position = 0
    private var depth = 0
    /// Where a string with escapes is put together.
    private var unescaped: [UInt8] = []

    init(_ bytes: UnsafeRawBufferPointer, source: String, duplicateKeys: JSON.DuplicateKeys) {
        self.bytes = UnsafeBufferPointer(
            start: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count: bytes.count)
        self.source = source
        self.duplicateKeys = duplicateKeys
    }

    mutating func parse() throws -> JSON {
        if bytes.starts(with: ByteOrderMark.utf8) { position = ByteOrderMark.utf8.count }
        skipWhitespace()
        let value = try parseValue()
        skipWhitespace()
        guard position == bytes.count else {
            throw error(.trailingBytes, "bytes after the end of the value", at: position)
        }
        return value
    }

    private mutating func parseValue() throws -> JSON {
        guard let byte = current else { throw unexpected("a value") }
        switch byte {
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "{"): return try nested { try $0.parseObject() }
        case UInt8(ascii: "["): return try nested { try $0.parseArray() }
        case UInt8(ascii: "N"): return try parseWord("NaN", .number("NaN"))
        case UInt8(ascii: "I"): return try parseWord("Infinity", .number("Infinity"))
        case UInt8(ascii: "-") where bytes[position...].dropFirst().first == UInt8(ascii: "I"):
            return try parseWord("-Infinity", .number("-Infinity"))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: throw unexpected("a value")
        }
    }

    private mutating func nested(_ parse: (inout JSONParser) throws -> JSON) throws -> JSON {
        depth += 1
        guard depth <= JSON.maximumDepth else {
            throw error(.tooDeep, "values nest deeper than \(JSON.maximumDepth) levels", at: position)
        }
        defer { depth -= 1 }
        position += 1
        skipWhitespace()
        return try parse(&self)
    }

    private mutating func parseObject() throws -> JSON {
        var object = JSONObject()
        if skip("}") { return .object(object) }
        while true {
            let keyPosition = position
            guard current == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
            let key = try parseString()
            skipWhitespace()
            guard skip(":") else { throw unexpected("\":\"") }
            skipWhitespace()
            let value = try parseValue()
            if !object.append(key, value), case .reject = duplicateKeys {
                throw error(.duplicateName, "key \"\(key.string.prefix(80))\" appears twice", at: keyPosition)
            }
            skipWhitespace()
            if skip("}") { return .object(object) }
            guard skip(",") else { throw unexpected("\",\" or \"}\"") }
            skipWhitespace()
        }
    }

    private mutating func parseArray() throws -> JSON {
        var elements: [JSON] = []
        if skip("]") { return .array(elements) }
        while true {
            elements.append(try parseValue())
            skipWhitespace()
            if skip("]") { return .array(elements) }
            guard skip(",") else { throw unexpected("\",\" or \"]\"") }
            skipWhitespace()
        }
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSON) throws -> JSON {
        for index in 0..<word.utf8CodeUnitCount {
            guard current == word.utf8Start[index] else { throw unexpected("\"\(word)\"") }
            position += 1
        }
        return value
    }

    private mutating func parseNumber() throws -> ByteString {
        let start = position
        skip("-")
        if !skip("0") { try skipDigits() }
        if skip(".") { try skipDigits() }
        if skip("e") || skip("E") {
            if !skip("+") { skip("-") }
            try skipDigits()
        }
        return ByteString(Array(bytes[start..<position]))
    }

    private mutating func skipDigits() throws {
        let start = position
        while let byte = current, byte &- UInt8(ascii: "0") < 10 { position += 1 }
        if position == start { throw unexpected("a digit") }
    }
}

// MARK: Strings

extension JSONParser {
    private mutating func parseString() throws -> ByteString {
        let opening = position
        position += 1
        var runStart = position
        if !unescaped.isEmpty { unescaped.removeAll(keepingCapacity: true) }
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                defer { position += 1 }
                if unescaped.isEmpty { return ByteString(Array(bytes[runStart..<position])) }
                unescaped.append(contentsOf: bytes[runStart..<position])
                // A copy of just the right size: the buffer is used again.
                return ByteString(Array(unescaped[...]))
            case UInt8(ascii: "\\"):
                unescaped.append(contentsOf: bytes[runStart..<position])
                try parseEscape()
                runStart = position
            case 0x20..<0x80:
                position += 1
            case 0x80...:
                let length = lengthOfUTF8Scalar(in: bytes, at: position)
                guard length > 0 else { throw error(.invalidUTF8, "a string is not UTF-8", at: position) }
                position += length
            default:
                throw error(
                    .malformedJSON, "a control character stands in a string", at: position,
                    hint: "write it as an escape")
            }
        }
        throw error(.truncated, "a string that begins here never ends", at: opening)
    }

    private mutating func parseEscape() throws {
        let start = position
        position += 1
        guard let letter = current else { throw error(.truncated, "the text ends in an escape", at: start) }
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(letter)
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0C)
        case UInt8(ascii: "n"): unescaped.append(0x0A)
        case UInt8(ascii: "r"): unescaped.append(0x0D)
        case UInt8(ascii: "t"): unescaped.append(0x09)
        case UInt8(ascii: "u"): unescaped.append(contentsOf: UTF8.encode(try parseScalar(from: start))!)
        default: throw error(.malformedJSON, "there is no such escape", at: start)
        }
    }

    /// The scalar of `\uXXXX` or of a surrogate pair; the first `\u` is already skipped.
    private mutating func parseScalar(from start: Int) throws -> Unicode.Scalar {
        var value = try parseFourHexDigits()
        if 0xD800..<0xDC00 ~= value, skip("\\"), skip("u") {
            let low = try parseFourHexDigits()
            if 0xDC00..<0xE000 ~= low { value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00) }
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw error(.malformedJSON, "half of a surrogate pair stands alone", at: start)
        }
        return scalar
    }

    private mutating func parseFourHexDigits() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw unexpected("a hexadecimal digit")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}

// MARK: Bytes and errors

extension JSONParser {
    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    @discardableResult
    private mutating func skip(_ byte: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: byte) else { return false }
        position += 1
        return true
    }

    private mutating func skipWhitespace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private func unexpected(_ expected: String) -> FormatError {
        guard let byte = current else {
            return error(.truncated, "the text ends too early", at: position, expected: expected)
        }
        let isPrintable = 0x21..<0x7F ~= byte
        return error(
            .malformedJSON, "this is not JSON", at: position, expected: expected,
            found: isPrintable ? "\"\(Character(Unicode.Scalar(byte)))\"" : "byte \(byte)")
    }

    private func error(
        _ code: FormatError.Code, _ problem: String, at offset: Int, expected: String? = nil, found: String? = nil,
        hint: String? = nil
    ) -> FormatError {
        FormatError(
            code, problem, subject: "\(source), byte \(offset)", expected: expected, found: found, hint: hint)
    }
}
