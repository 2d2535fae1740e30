import SutureFormats

/// How a text is cut into words before they are counted; the names are sacrebleu's.
public enum WordTokenization: String, Sendable, Codable, CaseIterable {
    /// At white space only.
    case none
    /// As NIST's `mteval-v13a` does: also around punctuation, but not inside numbers such as `1.5`.
    case v13a = "13a"

    /// The words of a text.
    public func words(_ text: String) -> [String] {
        switch self {
        case .none: Self.split(Array(text.unicodeScalars))
        case .v13a: Self.split(Self.separated(text))
        }
    }

    /// The words as what tells them apart: to Swift, an accent that is a character of its own would make no difference.
    func exactWords(_ text: String) -> [ByteString] { words(text).map { ByteString($0) } }

    /// Cut where Python's `str.split` cuts: at white space and the four separators of ASCII.
    static func split(_ text: [Unicode.Scalar]) -> [String] {
        text.split(whereSeparator: isSpace).map { String(String.UnicodeScalarView($0)) }
    }

    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    /// A text with blanks around its punctuation.
    private static func separated(_ text: String) -> [Unicode.Scalar] {
        var text = trimmedAtEnd(text)
        for (entity, character) in [("<skipped>", ""), ("-\n", ""), ("\n", " ")] {
            text = replacing(entity, in: text, with: character)
        }
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            text = replacing(entity, in: text, with: character)
        }
        var scalars = [" "] + Array(text.unicodeScalars) + [" "]
        scalars = scalars.flatMap { isSymbol($0) ? [" ", $0, " "] : [$0] }
        // A point or comma stands apart unless a digit comes before it, and unless one comes behind it.
        scalars = pairs(scalars, isNoDigit, isPoint) { [$0, " ", $1, " "] }
        scalars = pairs(scalars, isPoint, isNoDigit) { [" ", $0, " ", $1] }
        // A dash behind a digit stands apart.
        return pairs(scalars, isDigit, isDash) { [$0, " ", $1, " "] }
    }

    /// Replaces neighbours that match, from the left; one that was replaced is no part of another pair.
    private static func pairs(
        _ text: [Unicode.Scalar], _ isFirst: (Unicode.Scalar) -> Bool, _ isSecond: (Unicode.Scalar) -> Bool,
        _ replacement: (Unicode.Scalar, Unicode.Scalar) -> [Unicode.Scalar]
    ) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if index + 1 < text.count, isFirst(text[index]), isSecond(text[index + 1]) {
                result += replacement(text[index], text[index + 1])
                index += 2
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// By scalars: a line break behind a carriage return is one character to Swift, and a mark may follow a letter.
    private static func replacing(_ part: String, in text: String, with other: String) -> String {
        let (part, other) = (Array(part.unicodeScalars), Array(other.unicodeScalars))
        let scalars = Array(text.unicodeScalars)
        guard scalars.count >= part.count else { return text }
        var result = String.UnicodeScalarView()
        var index = 0
        while index < scalars.count {
            if scalars[index] == part[0], scalars[index...].starts(with: part) {
                result.append(contentsOf: other)
                index += part.count
            } else {
                result.append(scalars[index])
                index += 1
            }
        }
        return String(result)
    }

    private static func trimmedAtEnd(_ text: String) -> String {
        let scalars = text.unicodeScalars
        guard let last = scalars.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(scalars[...last])
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
    private static func isNoDigit(_ scalar: Unicode.Scalar) -> Bool { !isDigit(scalar) }
    private static func isDash(_ scalar: Unicode.Scalar) -> Bool { scalar == "-" }
    private static func isPoint(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "," }

    /// The punctuation and symbols of ASCII, without `'`, `,`, `-` and `.`.
    private static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "!"..."&", "("..."+", "/", ":"..."@", "["..."`", "{"..."~": true
        default: false
        }
    }
}
