/// The words of a line with marks, and which of them are files.
struct MarkedLine {
    struct File {
        let index: Int
        /// `--base`, or the name of an argument.
        let option: String
        let path: String
        let isOutput: Bool
    }

    let command: String
    private(set) var all: [String]
    private(set) var files: [File] = []

    init(_ line: String, _ commands: [String: CommandSyntax]) {
        all = line.split(separator: " ").map(String.init)
        let both = all.prefix(2).joined(separator: " ")
        command = commands[both] == nil ? all[0] : both
        let syntax = commands[command]
        var positional = 0
        for (index, word) in all.enumerated() where word.hasPrefix("<") || word.hasPrefix(">") {
            let before = all[index - 1]
            let named = syntax?.valued.first { $0.spellings.contains(before) }
            let path = String(word.dropFirst().prefix { $0 != "=" })
            files.append(
                File(
                    index: index, option: named?.name ?? syntax?.positional(positional) ?? "", path: path,
                    isOutput: word.hasPrefix(">")))
            if named == nil { positional += 1 }
            all[index] = String(word.dropFirst())
        }
    }

    func replacing(_ index: Int, by word: String) -> [String] {
        var words = all
        words[index] = word
        return words
    }
}
