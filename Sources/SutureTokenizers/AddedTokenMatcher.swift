/// Finds added tokens in text: the leftmost first, of those the longest.
struct AddedTokenMatcher: Sendable {
    private var tokens: [AddedToken] = []
    private let automaton: PatternAutomaton

    /// - Parameter pattern: what to look for in place of each token.
    init(_ tokens: [AddedToken], pattern: (AddedToken) -> [UInt8]) {
        var patterns: [[UInt8]] = []
        for token in tokens {
            let bytes = pattern(token)
            guard !bytes.isEmpty else { continue }
            patterns.append(bytes)
            self.tokens.append(token)
        }
        automaton = PatternAutomaton(patterns)
    }

    enum Part {
        case text(Range<Int>)
        case token(Int, Range<Int>)
    }

    /// Cuts `text` into tokens and what lies between them. As in the reference, spaces that a token takes behind it are
    /// looked through for further tokens all the same.
    func split(_ text: UTF8Bytes) -> [Part] {
        guard !tokens.isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
        var parts: [Part] = []
        var rest = 0
        var position = 0
        var spaces = 0..<0
        for match in automaton.matchesFromTheEnd(in: text).reversed() where match.start >= position {
            let token = tokens[match.pattern]
            let end = match.start + automaton.lengths[match.pattern]
            if !token.isSingleWord || isSingleWord(match.start..<end, in: text) {
                var (start, stop) = (match.start, end)
                if token.stripsLeft { start = max(startOfSpace(before: start, notBefore: rest, in: text), rest) }
                if token.stripsRight {
                    // A run of spaces is gone through once, however many tokens are in it.
                    if !spaces.contains(stop) { spaces = stop..<endOfSpace(after: stop, in: text) }
                    stop = spaces.upperBound
                }
                if rest < start { parts.append(.text(rest..<start)) }
                if start < stop { parts.append(.token(token.id, start..<stop)) }
                rest = max(start, stop)
            }
            position = end
        }
        if rest < text.count { parts.append(.text(rest..<text.count)) }
        return parts
    }

    private func isSingleWord(_ range: Range<Int>, in text: UTF8Bytes) -> Bool {
        func isWord(_ position: Int) -> Bool {
            ScalarClassTable.shared[text.scalar(at: position).value].contains(.word)
        }
        let endsWord = range.lowerBound == 0 || !isWord(text.scalarStart(before: range.lowerBound))
        return endsWord && (range.upperBound == text.count || !isWord(range.upperBound))
    }

    private func startOfSpace(before position: Int, notBefore limit: Int, in text: UTF8Bytes) -> Int {
        var start = position
        while start > limit {
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
