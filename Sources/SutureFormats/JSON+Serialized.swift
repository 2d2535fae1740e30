extension JSON {
    /// The value as JSON text, in UTF-8, which ``parse(_:source:duplicateKeys:)-([UInt8],_,_)`` reads back as equal.
    ///
    /// Only quotes, backslashes and control characters are escaped. A hand-made string that is not UTF-8 is written
    /// with U+FFFD for what is not.
    ///
    /// - Parameters:
    ///   - pretty: one member a line, indented by two spaces.
    ///   - sortedKeys: members in the order of their keys' bytes instead of their own.
    public func serialized(pretty: Bool = false, sortedKeys: Bool = false) -> [UInt8] {
        var writer = JSONWriter(pretty: pretty, sortedKeys: sortedKeys)
        writer.write(self)
        return writer.output
    }
}

private struct JSONWriter {
    let pretty: Bool
    let sortedKeys: Bool
    var output: [UInt8] = []
    private var depth = 0

    init(pretty: Bool, sortedKeys: Bool) {
        self.pretty = pretty
        self.sortedKeys = sortedKeys
    }

    mutating func write(_ value: JSON) {
        switch value {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .number(let text): output += text.bytes
        case .string(let text): write(text)
        case .array(let elements):
            write(elements, between: "[", "]") { $0.write($1) }
        case .object(let object):
            let members = sortedKeys ? object.sorted { $0.key < $1.key } : Array(object)
            write(members, between: "{", "}") { writer, member in
                writer.write(member.key)
                writer.output += (writer.pretty ? ": " : ":").utf8
                writer.write(member.value)
            }
        }
    }

    private mutating func write<Element>(
        _ elements: [Element], between open: Unicode.Scalar, _ close: Unicode.Scalar,
        writeElement: (inout JSONWriter, Element) -> Void
    ) {
        output.append(UInt8(ascii: open))
        depth += 1
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            breakLine()
            writeElement(&self, element)
        }
        depth -= 1
        if !elements.isEmpty { breakLine() }
        output.append(UInt8(ascii: close))
    }

    private mutating func breakLine() {
        guard pretty else { return }
        output.append(UInt8(ascii: "\n"))
        output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private mutating func write(_ text: ByteString) {
        let bytes = text.bytes.withUnsafeBytes(isUTF8) ? text.bytes : Array(text.string.utf8)
        output.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""): output += "\\\"".utf8
            case UInt8(ascii: "\\"): output += "\\\\".utf8
            case 0x08: output += "\\b".utf8
            case 0x0C: output += "\\f".utf8
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0..<0x20:
                output += (byte < 0x10 ? "\\u000" : "\\u00").utf8
                output += String(byte, radix: 16).utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
