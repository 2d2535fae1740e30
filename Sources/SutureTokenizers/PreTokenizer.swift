/// A step that cuts text into pieces, which are encoded each for itself.
enum PreTokenizer: Sendable {
    case pattern(SplitPattern)
    /// Cuts behind each place where this text stands.
    case behind(BytePattern)
    /// Cuts before and after each numeral, or around runs of them.
    case digits(individually: Bool)
    /// Puts a space before each piece that has none.
    case spacePrefix
    /// Writes spaces as `replacement`, puts one in front, cuts before each.
    case metaspace(replacement: [UInt8], prefix: MetaspacePrefix, splits: Bool)

    /// How many times as long as it was it can make a text.
    var growth: Double {
        switch self {
        case .pattern, .behind, .digits: 1
        case .spacePrefix: 2
        case .metaspace(let replacement, let prefix, _): Double(replacement.count * (prefix == .never ? 1 : 2))
        }
    }

    enum MetaspacePrefix: String, Sendable {
        case always, first, never
    }

    /// Cuts each of `pieces`, which may change `text`.
    func apply(to text: inout AlignedText, _ pieces: inout [Range<Int>]) {
        switch self {
        case .pattern(let pattern):
            pieces = split(text, pieces) { pattern.split($0, $1, into: &$2) }
        case .behind(let mark):
            pieces = split(text, pieces) { Self.splitBehind(mark, $0, $1, into: &$2) }
        case .digits(let individually):
            pieces = split(text, pieces) { Self.splitDigits($0, $1, individually, into: &$2) }
        case .spacePrefix:
            Self.prefix(&text, &pieces, with: [UInt8(ascii: " ")]) { _ in true }
        case .metaspace(let replacement, let prefix, let splits):
            Self.replaceSpaces(&text, &pieces, by: replacement)
            if prefix != .never {
                Self.prefix(&text, &pieces, with: replacement) { prefix == .always || $0 == 0 }
            }
            if splits { pieces = split(text, pieces) { Self.splitBefore(replacement, $0, $1, into: &$2) } }
        }
    }

    private func split(
        _ text: AlignedText, _ pieces: [Range<Int>],
        by splitPiece: (UTF8Bytes, Range<Int>, inout [Range<Int>]) -> Void
    ) -> [Range<Int>] {
        var result: [Range<Int>] = []
        result.reserveCapacity(max(pieces.count, text.bytes.count / 4))
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces { splitPiece(bytes, piece, &result) }
        }
        return result
    }

    private static func splitDigits(
        _ text: UTF8Bytes, _ range: Range<Int>, _ individually: Bool, into pieces: inout [Range<Int>]
    ) {
        let classes = ScalarClassTable.shared
        var start = range.lowerBound
        var position = start
        var previousIsNumeric: Bool?
        while position < range.upperBound {
            let (scalar, next) = text.scalar(at: position)
            let isNumeric = classes[scalar].contains(.numeric)
            if let previousIsNumeric, isNumeric != previousIsNumeric || individually && isNumeric {
                pieces.append(start..<position)
                start = position
            }
            previousIsNumeric = isNumeric
            position = next
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
    }

    private static func splitBefore(
        _ mark: [UInt8], _ text: UTF8Bytes, _ range: Range<Int>, into pieces: inout [Range<Int>]
    ) {
        var start = range.lowerBound
        var position = start
        while position < range.upperBound {
            if position > start, text.hasBytes(mark, at: position, before: range.upperBound) {
                pieces.append(start..<position)
                start = position
            }
            position = text.scalar(at: position).end
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
    }

    private static func splitBehind(
        _ mark: BytePattern, _ text: UTF8Bytes, _ range: Range<Int>, into pieces: inout [Range<Int>]
    ) {
        var start = range.lowerBound
        mark.forEachMatch(in: text, range) { place in
            pieces.append(start..<place.upperBound)
            start = place.upperBound
        }
        if start < range.upperBound { pieces.append(start..<range.upperBound) }
    }

    private static func replaceSpaces(_ text: inout AlignedText, _ pieces: inout [Range<Int>], by mark: [UInt8]) {
        let growth = mark.count - 1
        var spaces = 0
        pieces = pieces.map { piece in
            let before = spaces
            spaces += text.bytes[piece].count { $0 == UInt8(ascii: " ") }
            return piece.lowerBound + before * growth..<piece.upperBound + spaces * growth
        }
        text.replace(BytePattern([UInt8(ascii: " ")]), with: mark)
    }

    /// Puts `mark` before each piece that does not begin with it and whose place in the source `condition` accepts.
    private static func prefix(
        _ text: inout AlignedText, _ pieces: inout [Range<Int>], with mark: [UInt8], where condition: (Int) -> Bool
    ) {
        let needed = pieces.map { piece in
            !piece.isEmpty && !text.bytes[piece].starts(with: mark)
                && condition(text.source(of: piece).lowerBound)
        }
        guard needed.contains(true) else { return }
        var prefixed = AlignedText([], start: text.start)
        var shifted: [Range<Int>] = []
        for (piece, isNeeded) in zip(pieces, needed) {
            var part = text.slice(piece)
            if isNeeded { part.prepend(mark) }
            let start = prefixed.bytes.count
            prefixed.append(part)
            shifted.append(start..<prefixed.bytes.count)
        }
        (text, pieces) = (prefixed, shifted)
    }
}
