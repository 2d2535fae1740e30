import Foundation

/// Numbers from a seed, the same in every run.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Bytes of a file with one to eight things wrong.
struct Mutation {
    private static let numbers: [UInt64] = [
        0, 1, 2, 7, 8, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max, .max - 7, 100_000_000
    ]
    private static let words = [
        "0", "-1", "18446744073709551615", "9223372036854775807", "4611686018427387904", "1e308", "1e-400", "null",
        "true",
        "{}", "[]", "\"\"", "[[[[[[[[", "{\"a\":{\"a\":", "\"\\u0000\"", "\"\\ud800\"", "\"F32\"", "\"BF16\"", "\"U8\"",
        "\"rows\"", "\"low_rank\"", "\"quantized\"", "\"sparse\"", "\"dense\"", "16", "17", "1.0", "00", "sha256:",
        "suture.patch/1.9", "log", "'<i8'", "(0,)"
    ]

    private(set) var bytes: [UInt8]

    init(_ original: [UInt8], with other: [UInt8], hasHeader: Bool, _ random: inout Random) {
        bytes = original
        // Mostly few, so that a reader comes to what lies behind.
        let count = [1, 1, 1, 1, 2, 2, 4, 8].randomElement(using: &random) ?? 1
        for _ in 0..<count { mutate(other, &random) }
        if hasHeader, Int.random(in: 0..<3, using: &random) > 0 { mendHeader() }
    }

    private mutating func mutate(_ other: [UInt8], _ random: inout Random) {
        // Most of what is decided stands at the beginning.
        let reach = Bool.random(using: &random) ? min(bytes.count, 4096) : bytes.count
        let at = reach == 0 ? 0 : Int.random(in: 0..<reach, using: &random)
        let end = min(bytes.count, at + Int.random(in: 0...64, using: &random))
        switch Int.random(in: 0..<9, using: &random) {
        case 0 where !bytes.isEmpty: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !bytes.isEmpty: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(at..<end)
        case 3: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random) / 4)
        case 4:
            let number = Self.numbers.randomElement(using: &random) ?? 0
            let width = [1, 2, 4, 8].randomElement(using: &random) ?? 8
            let part = withUnsafeBytes(of: number.littleEndian) { Array($0.prefix(width)) }
            bytes.replaceSubrange(at..<min(bytes.count, at + width), with: part)
        case 5: bytes.insert(contentsOf: (Self.words.randomElement(using: &random) ?? "").utf8, at: at)
        case 6:
            // Another number in place of one that is written out.
            guard let first = bytes[at...].firstIndex(where: { (48...57).contains($0) }) else { return }
            let last = bytes[first...].firstIndex { !(48...57).contains($0) } ?? bytes.count
            bytes.replaceSubrange(first..<last, with: (Self.words.randomElement(using: &random) ?? "0").utf8)
        case 7 where !other.isEmpty:
            let from = Int.random(in: 0..<other.count, using: &random)
            bytes.insert(contentsOf: other[from..<min(other.count, from + 200)], at: at)
        default: bytes.insert(contentsOf: bytes[at..<end], at: at)
        }
    }

    /// A header that says its own length lets the rest of a safetensors file be looked at.
    private mutating func mendHeader() {
        guard bytes.count > 8 else { return }
        var depth = 0
        for index in 8..<bytes.count {
            if bytes[index] == UInt8(ascii: "{") { depth += 1 } else if bytes[index] == UInt8(ascii: "}") { depth -= 1 }
            if depth > 0 { continue }
            let length = withUnsafeBytes(of: UInt64(index + 1 - 8).littleEndian) { Array($0) }
            bytes.replaceSubrange(0..<8, with: length)
            return
        }
    }
}
