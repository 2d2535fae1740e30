/// Bytes that are known to be UTF-8, read scalar by scalar.
typealias UTF8Bytes = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
    /// The scalar that begins at `position`, and where the next one begins.
    @inline(__always)
    func scalar(at position: Int) -> (value: UInt32, end: Int) {
        let first = UInt32(self[position])
        if first < 0x80 { return (first, position + 1) }
        let second = UInt32(self[position + 1]) & 0x3F
        if first < 0xE0 { return ((first & 0x1F) << 6 | second, position + 2) }
        let third = UInt32(self[position + 2]) & 0x3F
        if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, position + 3) }
        return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(self[position + 3]) & 0x3F, position + 4)
    }

    /// Where the scalar begins that ends at `position`.
    @inline(__always)
    func scalarStart(before position: Int) -> Int {
        var start = position - 1
        while start > 0, isContinuation(self[start]) { start -= 1 }
        return start
    }

    /// Whether the bytes from `position` on begin with `text`.
    @inline(__always)
    func hasBytes(_ text: [UInt8], at position: Int, before end: Int) -> Bool {
        guard end - position >= text.count else { return false }
        for offset in 0..<text.count where self[position + offset] != text[offset] { return false }
        return true
    }
}

/// Whether `byte` goes on with a scalar that began before it.
@inline(__always)
func isContinuation(_ byte: UInt8) -> Bool {
    byte & 0xC0 == 0x80
}

extension [UInt8] {
    mutating func append(scalar: UInt32) {
        switch scalar {
        case ..<0x80: append(UInt8(scalar))
        case ..<0x800:
            append(UInt8(0xC0 | scalar >> 6))
            append(UInt8(0x80 | scalar & 0x3F))
        case ..<0x10000:
            append(UInt8(0xE0 | scalar >> 12))
            append(UInt8(0x80 | scalar >> 6 & 0x3F))
            append(UInt8(0x80 | scalar & 0x3F))
        default:
            append(UInt8(0xF0 | scalar >> 18))
            append(UInt8(0x80 | scalar >> 12 & 0x3F))
            append(UInt8(0x80 | scalar >> 6 & 0x3F))
            append(UInt8(0x80 | scalar & 0x3F))
        }
    }
}
