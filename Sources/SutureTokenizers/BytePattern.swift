/// A text to look for. A search looks at each byte once, however much the pattern repeats itself (Knuth, Morris and Pratt
/// 1977).
struct BytePattern: Sendable {
    let bytes: [UInt8]
    /// For each length of a beginning of the pattern, how much of it ends as it begins.
    private var borders: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        borders = Array(repeating: 0, count: bytes.count + 1)
        var border = 0
        for position in bytes.indices.dropFirst() {
            border = extended(border, by: bytes[position])
            borders[position + 1] = border
        }
    }

    /// Calls `body` with each place in `range` of a text, from the left, none of which overlap.
    func forEachMatch(in text: UTF8Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        guard !bytes.isEmpty else { return }
        var matched = 0
        for position in range {
            matched = extended(matched, by: text[position])
            guard matched == bytes.count else { continue }
            body(position + 1 - matched..<position + 1)
            matched = 0
        }
    }

    @inline(__always)
    private func extended(_ matched: Int, by byte: UInt8) -> Int {
        var matched = matched
        while matched > 0, bytes[matched] != byte { matched = borders[matched] }
        return bytes[matched] == byte ? matched + 1 : 0
    }
}
