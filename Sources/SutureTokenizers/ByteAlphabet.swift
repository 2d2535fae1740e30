/// The alphabet of byte-level vocabularies: every byte as a visible scalar, the space as `Ġ`.
enum ByteAlphabet {
    /// The scalar for each byte: itself if it is visible in Latin-1, else the next free one from U+0100 on.
    static let scalars: [UInt32] = {
        var next: UInt32 = 0x100
        return (0...255).map { (byte: UInt32) in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte for each scalar below U+0144; -1 if there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// Appends the bytes that `text` spells; false, and nothing appended, if a scalar is not in the alphabet.
    static func decode(_ text: UTF8Bytes, into result: inout [UInt8]) -> Bool {
        let count = result.count
        var position = 0
        while position < text.count {
            let (scalar, end) = text.scalar(at: position)
            guard scalar < 0x144, bytes[Int(scalar)] >= 0 else {
                result.removeSubrange(count...)
                return false
            }
            result.append(UInt8(bytes[Int(scalar)]))
            position = end
        }
        return true
    }

    static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        for byte in bytes { text.append(scalar: scalars[Int(byte)]) }
        return text
    }
}
