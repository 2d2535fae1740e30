import ArgumentParser
import Foundation

/// What is wrong with a command line, in one line, and where help is.
struct UsageError: CustomStringConvertible {
    let description: String

    /// Of an error of the parser; `arguments` are the words behind `suture`.
    init(_ error: any Error, arguments: [String]) {
        let (command, path) = Self.command(arguments)
        let help = "see '\((["suture"] + path + ["--help"]).joined(separator: " "))'"
        let problem =
            Self.unknownVerb(command, arguments.dropFirst(path.count).first)
            ?? Self.unknownOption(command, arguments.dropFirst(path.count))
            ?? Self.negative(arguments, Suture.message(for: error))
            ?? Self.plain(Suture.message(for: error), Suture.fullMessage(for: error))
        description = "\(problem); \(help)"
    }

    /// The command that is meant, and its words.
    private static func command(_ arguments: [String]) -> (any ParsableCommand.Type, [String]) {
        var command: any ParsableCommand.Type = Suture.self
        var path: [String] = []
        for word in arguments {
            guard let next = command.verbs.first(where: { $0.configuration.commandName == word }) else { break }
            command = next
            path.append(word)
        }
        return (command, path)
    }

    private static func unknownVerb(_ command: any ParsableCommand.Type, _ word: String?) -> String? {
        let verbs = command.verbs.compactMap { $0.configuration.commandName }
        guard !verbs.isEmpty, let word, !word.hasPrefix("-") else { return nil }
        let near = nearest(to: word, of: verbs)
        return "there is no command \"\(word)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? "")
    }

    /// An option that the command does not know, which may be why another is missing.
    private static func unknownOption(_ command: any ParsableCommand.Type, _ words: ArraySlice<String>) -> String? {
        let known = Set(
            Suture.helpMessage(for: command, columns: 200).split(separator: "\n")
                .filter { $0.hasPrefix("  -") }.flatMap { $0.matches(of: /--[a-z][a-z-]*/).map { String($0.output) } })
        for word in words.prefix(while: { $0 != "--" }) where word.hasPrefix("--") {
            let name = String(word.prefix { $0 != "=" })
            if known.contains(name) || name.count < 3 { continue }
            let near = nearest(to: name, of: known.sorted())
            return "there is no option \(name)" + (near.map { "; did you mean \($0)?" } ?? "")
        }
        return nil
    }

    /// A negative number, which the parser takes for an option, behind the option that it misses a value of.
    private static func negative(_ arguments: [String], _ message: String) -> String? {
        guard let option = message.firstMatch(of: /Missing value for '(?:-\w, )?(--[a-z-]+)/)?.output.1 else {
            return nil
        }
        let pair = zip(arguments, arguments.dropFirst()).first {
            $0 == option && $1.hasPrefix("-") && Double($1) != nil
        }
        return pair.map { "a negative number stands behind =: \($0)=\($1)" }
    }

    /// The parser's own words, on one line, and in ours where something is missing or not what it should be.
    private static func plain(_ message: String, _ full: String) -> String {
        let missing = /Missing (?:expected argument|value for) '(?:-\w, )?(\S+?)(?: <.*>)?(?: \.\.\.)?'/
        let invalid = /The value '(.*)' is invalid for '(?:-\w, )?(\S+?)(?: <.*>)?'(.*)/
        let lines = message.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        let line = lines.joined(separator: " ")
        // Behind two spaces, as in a page of help.
        let help = full.split(separator: "\n").first { $0.hasPrefix("Help:") }?.split(separator: "  ").last
        let meant = help.map { ": \(clause($0))" } ?? ""
        if let found = line.wholeMatch(of: missing) { return "\(shown(found.1)) is missing" + meant }
        if let found = line.wholeMatch(of: invalid) {
            let quoted = found.3.matches(of: /'([^']*)'/).map(\.1)
            let listed = lines.filter { $0.hasPrefix("- ") }.map { $0.dropFirst(2) }
            let values = (quoted.isEmpty ? listed : quoted).joined(separator: ", ")
            guard !values.isEmpty else { return "\(shown(found.2)) cannot be \"\(found.1)\"" + meant }
            // Of a list it is said which part is none of them.
            let known = Set(quoted.isEmpty ? listed : quoted.map { $0 })
            let parts = found.1.split(separator: ",").filter { !known.contains($0.prefix { $0 != ":" }) }
            return "\(shown(found.2)) is one of \(values), not \"\(parts.first ?? found.1)\""
        }
        return line.hasSuffix(".") ? String(line.dropLast()) : line
    }

    /// `<model>` as MODEL; an option as it is.
    private static func shown(_ name: Substring) -> String {
        name.hasPrefix("<") ? name.dropFirst().dropLast().uppercased() : String(name)
    }

    /// The first clause of a line of help, as it stands behind a colon.
    private static func clause(_ help: Substring) -> String {
        let sentence = help.prefix { $0 != ";" }
        let end = sentence.hasSuffix(".") ? sentence.dropLast() : sentence
        return end.prefix(1).lowercased() + end.dropFirst()
    }

    /// The nearest of some names, if it is near.
    static func nearest(to word: String, of names: [String]) -> String? {
        let near = names.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
        return near.flatMap { $0.1 <= max(1, word.count / 3) ? $0.0 : nil }
    }

    /// How many letters are put in, left out, replaced or swapped with the next one (optimal string alignment).
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased().prefix(64)), Array(b.lowercased().prefix(64)))
        var rows = [Array(0...b.count)]
        for (i, letter) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other { least = min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}

extension ParsableCommand {
    /// The commands below this one.
    fileprivate static var verbs: [any ParsableCommand.Type] {
        configuration.subcommands + configuration.groupedSubcommands.flatMap { $0.subcommands }
    }
}
