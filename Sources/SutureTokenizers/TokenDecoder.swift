/// How the bytes of tokens become text again.
struct TokenDecoder: Sendable {
    /// What is put between tokens.
    var separator: [UInt8] = []
    /// What is written in place of what in each token.
    var replacement: (pattern: [UInt8], content: [UInt8])?
    /// Whether `replacement` leaves the content out in the first token.
    var dropsReplacementInFirst = false
    /// Whether tokens like `<0x0A>` stand for a byte.
    var decodesByteTokens = false
    /// A text of which up to so many are taken off the beginning of the whole.
    var strip: (content: [UInt8], count: Int)?
    /// Whether added tokens, too, are taken for text in the alphabet of bytes if they can be.
    var isByteLevel = false
    /// The text of added tokens, by id.
    private(set) var addedTexts: [Int: [UInt8]] = [:]

    /// How many times as long as it was it can make a token.
    var growth: Double {
        replacement.map { Double($0.content.count + 1) / Double(max(1, $0.pattern.count)) } ?? 1
    }

    /// Whether nothing is done to the bytes of tokens.
    var isPlain: Bool { separator.isEmpty && replacement == nil && !decodesByteTokens && strip == nil }

    /// - Parameter pattern: what a token looks like in normalized text.
    func with(addedTokens: [AddedToken], pattern: (AddedToken) -> [UInt8]) -> TokenDecoder {
        var decoder = self
        for token in addedTokens {
            var text = pattern(token)
            if isByteLevel {
                var bytes: [UInt8] = []
                if text.withUnsafeBufferPointer({ ByteAlphabet.decode($0, into: &bytes) }) { text = bytes }
            }
            decoder.addedTexts[token.id] = text
        }
        return decoder
    }

    /// One token for the stream: its text, or the byte that it stands for.
    enum Part {
        case text([UInt8])
        case byte(UInt8)
    }

    func part(of id: Int, in tokenizer: Tokenizer, isFirst: Bool) -> Part {
        guard var bytes = addedTexts[id] ?? tokenizer.token(id) else { return .text(Self.replacementCharacter) }
        if let replacement, bytes.count >= replacement.pattern.count {
            let content = dropsReplacementInFirst && isFirst ? [] : replacement.content
            bytes = bytes.replacing(replacement.pattern, with: content)
        }
        if decodesByteTokens, let byte = Self.byte(of: bytes) { return .byte(byte) }
        return .text(isFirst ? bytes : separator + bytes)
    }

    /// The byte for `<0x0A>`.
    static func byte(of token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    static let replacementCharacter: [UInt8] = [0xEF, 0xBF, 0xBD]
}
