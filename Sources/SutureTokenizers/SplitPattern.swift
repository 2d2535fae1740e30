/// The regular expressions by which byte-level tokenizers cut text: the most common ones, recognized by their exact text,
/// as scanners written by hand, others as they are.
enum SplitPattern: Sendable {
    case gpt2
    /// Digits in groups of at most `digits`: three for Llama 3, one for Qwen 2.
    case llama3(digits: Int)
    case expression(SplitExpression)

    private static let gpt2Text =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static func llama3Text(_ digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\#(digits)| ?[^\s\p{L}\p{N}]+[\r\n]*"#
            + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// The scanner for a regular expression, if there is one.
    init?(regularExpression text: String) {
        switch text {
        case Self.gpt2Text: self = .gpt2
        case Self.llama3Text(#"\p{N}{1,3}"#): self = .llama3(digits: 3)
        case Self.llama3Text(#"\p{N}"#): self = .llama3(digits: 1)
        default: return nil
        }
    }

    /// Whether what it does not match stays; those written by hand match everything.
    var keepsRest: Bool {
        guard case .expression(let expression) = self else { return true }
        return expression.keepsRest
    }

    var regularExpression: String {
        switch self {
        case .gpt2: Self.gpt2Text
        case .llama3(digits: 1): Self.llama3Text(#"\p{N}"#)
        case .llama3(let digits): Self.llama3Text(#"\p{N}{1,\#(digits)}"#)
        case .expression(let expression): expression.text
        }
    }

    /// Cuts `range` of `text` into pieces that cover it.
    func split(_ text: UTF8Bytes, _ range: Range<Int>, into pieces: inout [Range<Int>]) {
        if case .expression(let expression) = self { return expression.split(text, range, into: &pieces) }
        let scanner = PatternScanner(text: text, end: range.upperBound)
        var position = range.lowerBound
        while position < range.upperBound {
            let next =
                switch self {
                case .gpt2: scanner.endOfGPT2Piece(at: position)
                case .llama3(let digits): scanner.endOfLlama3Piece(at: position, maximumDigits: digits)
                case .expression: range.upperBound
                }
            pieces.append(position..<next)
            position = next
        }
    }
}

/// Where a piece ends, for each pattern; alternatives are tried in the order in which the pattern has them.
private struct PatternScanner {
    let text: UTF8Bytes
    let end: Int
    let classes = ScalarClassTable.shared

    private static let space = UInt8(ascii: " ")
    private static let apostrophe = UInt8(ascii: "'")

    func endOfGPT2Piece(at start: Int) -> Int {
        if text[start] == Self.apostrophe, let end = endOfContraction(at: start, ignoringCase: false) { return end }
        let body = text[start] == Self.space && start + 1 < end ? start + 1 : start
        let (kind, next) = classAndEnd(at: body)
        if kind.contains(.letter) { return skip(.letter, from: next) }
        if kind.contains(.number) { return skip(.number, from: next) }
        if !kind.contains(.space) { return skipOther(from: next) }
        return endOfSpace(at: start)
    }

    func endOfLlama3Piece(at start: Int, maximumDigits: Int) -> Int {
        let byte = text[start]
        if byte == Self.apostrophe, let end = endOfContraction(at: start, ignoringCase: true) { return end }
        let (kind, next) = classAndEnd(at: start)
        if kind.contains(.letter) { return skip(.letter, from: next) }
        if kind.contains(.number) { return skip(.number, from: next, atMost: maximumDigits - 1) }
        // Any one scalar but a line break may lead a word.
        if !isLineBreak(byte), next < end {
            let (following, afterFollowing) = classAndEnd(at: next)
            if following.contains(.letter) { return skip(.letter, from: afterFollowing) }
            if byte == Self.space, following.isDisjoint(with: [.space, .letter, .number]) {
                return skipLineBreaks(from: skipOther(from: afterFollowing))
            }
        }
        if !kind.contains(.space) { return skipLineBreaks(from: skipOther(from: next)) }
        return endOfLastLineBreak(at: start) ?? endOfSpace(at: start)
    }

    @inline(__always)
    private func classAndEnd(at position: Int) -> (ScalarClass, Int) {
        let (scalar, end) = text.scalar(at: position)
        return (classes[scalar], end)
    }

    private func skip(_ kind: ScalarClass, from start: Int, atMost limit: Int = .max) -> Int {
        var position = start
        var count = 0
        while position < end, count < limit {
            let (found, next) = classAndEnd(at: position)
            guard found.contains(kind) else { break }
            position = next
            count += 1
        }
        return position
    }

    /// Skips what is neither space nor letter nor number.
    private func skipOther(from start: Int) -> Int {
        var position = start
        while position < end {
            let (found, next) = classAndEnd(at: position)
            guard found.isDisjoint(with: [.space, .letter, .number]) else { break }
            position = next
        }
        return position
    }

    private func skipLineBreaks(from start: Int) -> Int {
        var position = start
        while position < end, isLineBreak(text[position]) { position += 1 }
        return position
    }

    /// `\s+(?!\S)|\s+`: white space but for its last scalar, which goes with what follows, if there is anything.
    private func endOfSpace(at start: Int) -> Int {
        let runEnd = skip(.space, from: start)
        guard runEnd < end else { return runEnd }
        let last = text.scalarStart(before: runEnd)
        return last > start ? last : runEnd
    }

    /// `\s*[\r\n]+`
    private func endOfLastLineBreak(at start: Int) -> Int? {
        var position = skip(.space, from: start)
        while position > start, !isLineBreak(text[position - 1]) { position -= 1 }
        return position > start ? position : nil
    }

    @inline(__always)
    private func isLineBreak(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`; without regard to case `'s` is also an apostrophe and U+017F, the long s.
    private func endOfContraction(at start: Int, ignoringCase: Bool) -> Int? {
        func letter(_ position: Int) -> UInt8 {
            guard position < end else { return 0 }
            let byte = text[position]
            return ignoringCase && 0x41...0x5A ~= byte ? byte | 0x20 : byte
        }
        switch (letter(start + 1), letter(start + 2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        case (0xC5, 0xBF) where ignoringCase: return start + 3
        default: return nil
        }
    }
}
