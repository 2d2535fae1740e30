/// The number of bytes of the UTF-8 scalar that begins at `position`, or 0 if none does.
///
/// Overlong forms, surrogates and values past U+10FFFF are none (Unicode 15, table 3-7).
func lengthOfUTF8Scalar(in bytes: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
    let lead = bytes[position]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF:
        length = 3
        if lead == 0xE0 { second = 0xA0...0xBF }
        if lead == 0xED { second = 0x80...0x9F }
    case 0xF0...0xF4:
        length = 4
        if lead == 0xF0 { second = 0x90...0xBF }
        if lead == 0xF4 { second = 0x80...0x8F }
    default: return 0
    }
    guard bytes.count - position >= length, second ~= bytes[position + 1] else { return 0 }
    for offset in 2..<max(length, 2) where bytes[position + offset] & 0xC0 != 0x80 { return 0 }
    return length
}

/// Whether all of `bytes` is UTF-8.
func isUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.withMemoryRebound(to: UInt8.self) { bytes in
        var position = 0
        while position < bytes.count {
            let length = lengthOfUTF8Scalar(in: bytes, at: position)
            if length == 0 { return false }
            position += length
        }
        return true
    }
}
