/// What is done to the tokens of a whole text.
enum PostProcessor: Sendable {
    /// Takes white space at the ends of tokens out of their offsets.
    case trimOffsets(addsPrefixSpace: Bool)
    /// Puts special tokens before and after, if they are asked for.
    case template(before: [Int], after: [Int])
}

extension Encoding {
    /// - Parameter token: a token with what counts as a space in it.
    mutating func trimOffsets(addsPrefixSpace: Bool, token: (Int) -> (bytes: ArraySlice<UInt8>, spaces: SpaceKind)?) {
        for index in ids.indices {
            guard let (bytes, spaces) = token(ids[index]) else { continue }
            let range = offsets[index]
            var leading = spaces.lengthOfSpace(atStartOf: bytes)
            let trailing = spaces.lengthOfSpace(atEndOf: bytes)
            // The first token's one space was put there by the pre-tokenizer and has no offset.
            if addsPrefixSpace, leading == 1, index == 0 || range.lowerBound == 0 { leading = 0 }
            let lower = min(range.lowerBound + leading, range.upperBound)
            let upper = range.upperBound >= trailing ? max(range.upperBound - trailing, lower) : range.upperBound
            offsets[index] = lower..<max(lower, upper)
        }
    }

    /// What is trimmed.
    enum SpaceKind {
        /// Spaces only: in the alphabet of bytes other white space is letters.
        case blanks
        /// All white space, and what stands for a space in the alphabet of bytes.
        case whiteSpace

        func lengthOfSpace(atStartOf bytes: ArraySlice<UInt8>) -> Int {
            switch self {
            case .blanks: bytes.prefix { $0 == UInt8(ascii: " ") }.count
            case .whiteSpace:
                String(decoding: bytes, as: UTF8.self).unicodeScalars.prefix(while: Self.isSpace)
                    .reduce(0) { $0 + UTF8.width($1) }
            }
        }

        func lengthOfSpace(atEndOf bytes: ArraySlice<UInt8>) -> Int {
            switch self {
            case .blanks: bytes.reversed().prefix { $0 == UInt8(ascii: " ") }.count
            case .whiteSpace:
                String(decoding: bytes, as: UTF8.self).unicodeScalars.reversed().prefix(while: Self.isSpace)
                    .reduce(0) { $0 + UTF8.width($1) }
            }
        }

        private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "Ġ" || scalar.properties.isWhitespace
        }
    }
}
