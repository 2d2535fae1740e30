/// What is done to the tokens of a whole text.
enum PostProcessor: Sendable {
    /// Takes white space at the ends of tokens out of their offsets.
    case trimOffsets(addsPrefixSpace: Bool)
    /// Puts special tokens before and after, if they are asked for.
    case template(before: [Int], after: [Int])
}

extension Encoding {
    /// Moves the ends of each token's range by as many scalars as the token has spaces there.
    ///
    /// The scalars are those of the text, which need not be spaces: a space that was put before a word has the offset
    /// of the word's first scalar. That is what the reference does.
    ///
    /// - Parameter token: a token with what counts as a space in it.
    mutating func trimOffsets(
        in text: UTF8Bytes, addsPrefixSpace: Bool, token: (Int) -> (bytes: ArraySlice<UInt8>, spaces: SpaceKind)?
    ) {
        for index in ids.indices {
            guard let (bytes, spaces) = token(ids[index]) else { continue }
            var (lower, upper) = (offsets[index].lowerBound, offsets[index].upperBound)
            // A token may be longer than what it stands for: more than that is not looked at.
            let limit = max(2, upper - lower)
            var leading = spaces.count(atStartOf: bytes, upTo: limit)
            // The first token's one space was put there by the pre-tokenizer.
            if addsPrefixSpace, leading == 1, index == 0 || lower == 0 { leading = 0 }
            while leading > 0, lower < upper {
                lower = text.scalar(at: lower).end
                leading -= 1
            }
            var trailing = spaces.count(atEndOf: bytes, upTo: limit)
            while trailing > 0, upper > lower {
                upper = text.scalarStart(before: upper)
                trailing -= 1
            }
            offsets[index] = lower..<upper
        }
    }

    /// What is trimmed.
    enum SpaceKind {
        /// Spaces only: in the alphabet of bytes other white space is letters.
        case blanks
        /// All white space, and what stands for a space in the alphabet of bytes.
        case whiteSpace

        func count(atStartOf bytes: ArraySlice<UInt8>, upTo limit: Int) -> Int {
            switch self {
            case .blanks: bytes.prefix(limit).prefix { $0 == UInt8(ascii: " ") }.count
            case .whiteSpace:
                String(decoding: bytes.prefix(4 * limit), as: UTF8.self).unicodeScalars.prefix(while: Self.isSpace)
                    .count
            }
        }

        func count(atEndOf bytes: ArraySlice<UInt8>, upTo limit: Int) -> Int {
            switch self {
            case .blanks: bytes.suffix(limit).reversed().prefix { $0 == UInt8(ascii: " ") }.count
            case .whiteSpace:
                String(decoding: bytes.suffix(4 * limit), as: UTF8.self).unicodeScalars.reversed()
                    .prefix(while: Self.isSpace).count
            }
        }

        private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "Ġ" || scalar.properties.isWhitespace
        }
    }
}
