/// What is done to the tokens of a whole text.
enum PostProcessor: Sendable {
    /// Takes white space at the ends of tokens out of their offsets.
    case trimOffsets(addsPrefixSpace: Bool)
    /// Puts special tokens before and after, if they are asked for.
    case template(before: [Int], after: [Int])
}

extension Encoding {
    /// - Parameter token: the bytes of a token.
    mutating func trimOffsets(addsPrefixSpace: Bool, token: (Int) -> ArraySlice<UInt8>?) {
        for index in ids.indices {
            guard let bytes = token(ids[index]) else { continue }
            let range = offsets[index]
            var leading = Self.lengthOfSpace(bytes, fromEnd: false)
            let trailing = Self.lengthOfSpace(bytes, fromEnd: true)
            // The first token's one space was put there by the pre-tokenizer and has no offset.
            if addsPrefixSpace, leading == 1, index == 0 || range.lowerBound == 0 { leading = 0 }
            let lower = min(range.lowerBound + leading, range.upperBound)
            let upper = range.upperBound >= trailing ? max(range.upperBound - trailing, lower) : range.upperBound
            offsets[index] = lower..<max(lower, upper)
        }
    }

    private static func lengthOfSpace(_ bytes: ArraySlice<UInt8>, fromEnd: Bool) -> Int {
        guard let outermost = fromEnd ? bytes.last : bytes.first else { return 0 }
        // Nearly all tokens: no white space there.
        if outermost < 0x80, outermost != 0x20, !(0x09...0x0D).contains(outermost) { return 0 }
        let isSpace: (Unicode.Scalar) -> Bool = { $0.properties.isWhitespace }
        let text = String(decoding: bytes, as: UTF8.self).unicodeScalars
        let spaces = fromEnd ? Array(text.reversed().prefix(while: isSpace)) : Array(text.prefix(while: isSpace))
        return spaces.reduce(0) { $0 + UTF8.width($1) }
    }
}
