/// Line breaks, tabs and backslashes in a text that has to stay on one line.
public enum Escapes {
    /// What a text stands for in which `\n`, `\t` and `\\` are line break, tab and backslash; other backslashes stay.
    public static func read(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            switch (isEscaped, scalar) {
            case (false, "\\"): isEscaped = true
            case (true, "n"):
                result.append("\n")
                isEscaped = false
            case (true, "t"):
                result.append("\t")
                isEscaped = false
            case (true, "\\"):
                result.append("\\")
                isEscaped = false
            case (true, _):
                result.append("\\")
                result.append(scalar)
                isEscaped = false
            case (false, _): result.append(scalar)
            }
        }
        if isEscaped { result.append("\\") }
        return String(result)
    }
}
