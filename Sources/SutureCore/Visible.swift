import Foundation

/// Text made harmless and visible: what a model says may hold control characters, escape sequences
/// and marks that turn the direction of writing.
package enum Visible {
    /// Prose: line breaks and tabs stay, every other control character is drawn as a symbol or as `‹U+202E›`.
    package static func text(_ text: String) -> String {
        replacing(text) { $0 == "\n" || $0 == "\t" ? String($0) : nil }
    }

    /// One line of prose: line breaks and tabs become spaces.
    package static func line(_ text: String) -> String {
        replacing(text) { $0 == "\n" || $0 == "\t" ? " " : nil }
    }

    /// One line of prose whose end is drawn as a token where it is white space that would be lost.
    package static func ended(_ text: String) -> String {
        let end = text.reversed().prefix { $0.isWhitespace }.count
        return line(String(text.dropLast(end))) + (end == 0 ? "" : token(String(text.suffix(end))))
    }

    /// Two numbers with at least this many digits, and as many as tell them apart; whole ones in full.
    package static func apart(_ first: Double, _ second: Double, digits: Int) -> (String, String) {
        func text(_ value: Double, _ digits: Int) -> String {
            value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : String(format: "%.\(digits)g", value)
        }
        let enough = (digits...17).first { text(first, $0) != text(second, $0) } ?? digits
        return (text(first, enough), text(second, enough))
    }

    /// The two ends of a long text.
    package static func excerpt(_ text: String) -> String {
        text.count <= 1000 ? text : "\(text.prefix(400)) ... (\(text.count) characters) ... \(text.suffix(400))"
    }

    /// A name on one line: as a token where white space would be lost, such as around ` ls` or in a lone line break.
    package static func label(_ text: String) -> String {
        let scalars = text.unicodeScalars
        let isBare = scalars.first?.properties.isWhitespace ?? false || scalars.last?.properties.isWhitespace ?? false
        return isBare || scalars.contains("\n") || scalars.contains("\t") ? token(text) : line(text)
    }

    /// A token or a piece of code on one line: spaces are shown as `·`, line breaks as `⏎`, tabs as `⇥`.
    package static func token(_ text: String) -> String {
        if text.isEmpty { return "∅" }
        return replacing(text) { scalar in
            switch scalar {
            case " ": "·"
            case "\n": "⏎"
            case "\t": "⇥"
            default: nil
            }
        }
    }

    /// Part of a message: the beginning, between quotation marks.
    package static func quoted(_ text: String) -> String {
        let short = text.count > 60 ? text.prefix(60) + "..." : Substring(text)
        return "\"" + short.replacing("\n", with: "\\n") + "\""
    }

    private static func replacing(_ text: String, special: (Unicode.Scalar) -> String?) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if let replacement = special(scalar) {
                result.append(contentsOf: replacement.unicodeScalars)
            } else if scalar.value < 0x20, let picture = Unicode.Scalar(0x2400 + scalar.value) {
                result.append(picture)
            } else if scalar == "\u{7F}" {
                result.append("\u{2421}")
            } else if scalar.isHidden {
                result.append(contentsOf: String(format: "‹U+%04X›", scalar.value).unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}
