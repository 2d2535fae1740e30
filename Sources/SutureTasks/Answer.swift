/// An answer as it is compared: two that differ in white space that means nothing are one answer.
///
/// Line breaks are `\n`; white space at the ends of the text and of its lines is dropped; within a line, a run of blanks
/// and tabs is one blank unless it is escaped or in quotes (single, double or back quotes) that end in the line or are
/// open at its end.
/// White space that begins a line stays, the first line's excepted: it means much in Python.
public struct Answer: Sendable, Hashable {
    public let text: String

    /// An answer as it was written.
    public init(_ text: String) {
        var lines = Self.lines(text).map(Self.normalized)
        while lines.last?.isEmpty == true { lines.removeLast() }
        while lines.first?.isEmpty == true { lines.removeFirst() }
        // The first line often stands behind a blank that only parts it from the prompt.
        if let first = lines.first { lines[0] = first.drop { Self.isBlank($0) } }
        self.text = lines.map { String(String.UnicodeScalarView($0)) }.joined(separator: "\n")
    }

    /// By scalars: spellings of one letter are different tokens.
    public static func == (a: Answer, b: Answer) -> Bool { a.text.unicodeScalars.elementsEqual(b.text.unicodeScalars) }
    /// As `==` compares.
    public func hash(into hasher: inout Hasher) { for scalar in text.unicodeScalars { hasher.combine(scalar) } }

    private static func lines(_ text: String) -> [[Unicode.Scalar]] {
        var lines: [[Unicode.Scalar]] = [[]]
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\r" || (scalar == "\n" && previous != "\r") {
                lines.append([])
            } else if scalar != "\n" {
                lines[lines.count - 1].append(scalar)
            }
            previous = scalar
        }
        return lines
    }

    private static func normalized(_ line: [Unicode.Scalar]) -> ArraySlice<Unicode.Scalar> {
        let start = line.firstIndex { !isBlank($0) } ?? line.count
        guard start < line.count else { return [] }
        var result = Array(line[..<start])
        var quote: Unicode.Scalar?
        var isEscaped = false
        var isBehindBlank = false
        for scalar in line[start...] {
            if quote == nil, isBlank(scalar), !isEscaped {
                isBehindBlank = true
                continue
            }
            if isBehindBlank { result.append(" ") }
            isBehindBlank = false
            result.append(scalar)
            if isEscaped {
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else if scalar == quote {
                quote = nil
            } else if quote == nil, scalar == "'" || scalar == "\"" || scalar == "`" {
                quote = scalar
            }
        }
        return result[...]
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }
}
