/// Says an intent in other words, by rule: another first verb, and other words for what stays the same thing.
///
/// Text in quotes stays as it is. The rules know English only; of another text the first word is asked for politely.
public enum Rewording {
    /// First words of an intent, and what they may be called.
    private static let verbs: [String: String] = [
        "find": "Locate", "search": "Look", "print": "Output", "display": "Show", "show": "Display",
        "list": "Give a list of", "delete": "Remove", "remove": "Delete", "create": "Make", "make": "Create",
        "count": "Tally", "change": "Modify", "get": "Obtain", "copy": "Duplicate", "output": "Print",
        "add": "Append", "save": "Store", "move": "Transfer", "rename": "Change the name of",
        "calculate": "Compute", "check": "Verify", "execute": "Run", "run": "Execute", "extract": "Pull out",
        "convert": "Turn"
    ]

    /// Words that may change anywhere.
    private static let words: [(String, String)] = [
        ("all ", ""), ("current directory", "working directory"), ("directories", "folders"),
        ("containing", "that contain"), ("ending with", "that end with"), ("ending in", "that end in"),
        ("named", "called")
    ]

    /// The intent in other words; never the same ones.
    public static func reworded(_ intent: String) -> String {
        let first = String(intent.prefix { $0 != " " })
        let verb = first.lowercased()
        let known = verbs[verb] ?? (verb.hasSuffix("s") ? verbs[String(verb.dropLast())] : nil)
        let text =
            known.map { $0 + intent.dropFirst(first.count) }
            ?? "Please \(intent.prefix(1).lowercased())\(intent.dropFirst())"
        return outsideQuotes(text) { part in
            words.reduce(part) { replacing($1.0, in: $0, with: $1.1) }
        }
    }

    /// Replaces whole words.
    private static func replacing(_ word: String, in text: String, with other: String) -> String {
        var result = ""
        var rest = text[...]
        while let range = rest.firstRange(of: word) {
            let before = range.lowerBound == text.startIndex ? nil : text[text.index(before: range.lowerBound)]
            let after = range.upperBound == text.endIndex ? nil : text[range.upperBound]
            let isWhole = before?.isLetter != true && (word.hasSuffix(" ") || after?.isLetter != true)
            result += rest[..<range.lowerBound] + (isWhole ? other : word)
            rest = rest[range.upperBound...]
        }
        return result + rest
    }

    private static func outsideQuotes(_ text: String, _ change: (String) -> String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstIndex(where: { "\"'`".contains($0) }),
            let end = rest[rest.index(after: start)...].firstIndex(of: rest[start])
        {
            result += change(String(rest[..<start])) + rest[start...end]
            rest = rest[rest.index(after: end)...]
        }
        return result + change(String(rest))
    }
}
