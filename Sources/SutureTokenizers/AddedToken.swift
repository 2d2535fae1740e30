/// A token that is found in text before anything else is done to it, such as `<|im_start|>`.
public struct AddedToken: Sendable, Hashable {
    public let id: Int
    public let content: String
    /// Whether decoding can leave it out.
    public let isSpecial: Bool
    /// Whether it counts only where no word goes on before or after it.
    public let isSingleWord: Bool
    /// Whether it takes the white space before it.
    public let stripsLeft: Bool
    /// Whether it takes the white space after it.
    public let stripsRight: Bool
    /// Whether it is sought, in its normalized form, in normalized text.
    public let isNormalized: Bool

    public init(
        id: Int, content: String, isSpecial: Bool = false, isSingleWord: Bool = false, stripsLeft: Bool = false,
        stripsRight: Bool = false, isNormalized: Bool = false
    ) {
        self.id = id
        self.content = content
        self.isSpecial = isSpecial
        self.isSingleWord = isSingleWord
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
        self.isNormalized = isNormalized
    }

    // The bytes decide: `String` would take canonically equivalent contents for equal.
    public static func == (a: AddedToken, b: AddedToken) -> Bool {
        a.id == b.id && a.content.utf8.elementsEqual(b.content.utf8) && a.flags == b.flags
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(id)
    }

    private var flags: [Bool] { [isSpecial, isSingleWord, stripsLeft, stripsRight, isNormalized] }
}

/// Finds added tokens in text: the leftmost first, of those the longest.
struct AddedTokenMatcher: Sendable {
    private var tokens: [AddedToken] = []
    /// Positions in `tokens`, by pattern.
    private var patterns = TokenTable()
    /// The lengths of the patterns that begin with each byte, longest first.
    private var lengths: [[Int]] = Array(repeating: [], count: 256)

    /// - Parameter pattern: what to look for in place of each token.
    init(_ tokens: [AddedToken], pattern: (AddedToken) -> [UInt8]) {
        for token in tokens {
            let bytes = pattern(token)
            guard let first = bytes.first else { continue }
            _ = patterns.insert(bytes, id: self.tokens.count)
            self.tokens.append(token)
            if !lengths[Int(first)].contains(bytes.count) { lengths[Int(first)].append(bytes.count) }
        }
        for first in lengths.indices { lengths[first].sort(by: >) }
    }

    enum Part {
        case text(Range<Int>)
        case token(Int, Range<Int>)
    }

    /// Cuts `text` into tokens and what lies between them.
    func split(_ text: UTF8Bytes) -> [Part] {
        guard !tokens.isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
        var parts: [Part] = []
        var rest = 0
        var position = 0
        while position < text.count {
            guard let (token, end) = match(in: text, at: position) else {
                position += 1
                continue
            }
            if !token.isSingleWord || isSingleWord(position..<end, in: text) {
                var (start, stop) = (position, end)
                if token.stripsLeft { start = max(startOfSpace(before: start, in: text), rest) }
                if token.stripsRight { stop = endOfSpace(after: stop, in: text) }
                if rest < start { parts.append(.text(rest..<start)) }
                parts.append(.token(token.id, start..<stop))
                rest = stop
            }
            position = max(end, rest)
        }
        if rest < text.count { parts.append(.text(rest..<text.count)) }
        return parts
    }

    private func match(in text: UTF8Bytes, at position: Int) -> (AddedToken, end: Int)? {
        for length in lengths[Int(text[position])] where position + length <= text.count {
            let candidate = UTF8Bytes(rebasing: text[position..<position + length])
            if let found = patterns.id(of: candidate) { return (tokens[found], position + length) }
        }
        return nil
    }

    private func isSingleWord(_ range: Range<Int>, in text: UTF8Bytes) -> Bool {
        func isWord(_ position: Int) -> Bool {
            ScalarClassTable.shared[text.scalar(at: position).value].contains(.word)
        }
        let endsWord = range.lowerBound == 0 || !isWord(text.scalarStart(before: range.lowerBound))
        return endsWord && (range.upperBound == text.count || !isWord(range.upperBound))
    }

    private func startOfSpace(before position: Int, in text: UTF8Bytes) -> Int {
        var start = position
        while start > 0 {
            let previous = text.scalarStart(before: start)
            guard ScalarClassTable.shared[text.scalar(at: previous).value].contains(.space) else { break }
            start = previous
        }
        return start
    }

    private func endOfSpace(after position: Int, in text: UTF8Bytes) -> Int {
        var end = position
        while end < text.count {
            let (scalar, next) = text.scalar(at: end)
            guard ScalarClassTable.shared[scalar].contains(.space) else { break }
            end = next
        }
        return end
    }
}
