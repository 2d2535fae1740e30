import Foundation

/// What a command takes, as it says itself.
struct CommandSyntax {
    struct Argument {
        /// `--output`, or the name of a positional argument.
        let name: String
        let spellings: Set<String>
        let isRepeating: Bool
    }

    let valued: [Argument]
    private let positionals: [Argument]

    func positional(_ number: Int) -> String? {
        number < positionals.count
            ? positionals[number].name : positionals.last.flatMap { $0.isRepeating ? $0.name : nil }
    }

    /// All commands that do something, by name.
    static func commands() throws -> [String: CommandSyntax] { try cached.get() }

    private static let cached = Result {
        let outcome = try Command.run("--experimental-dump-help", in: FileManager.default.temporaryDirectory)
        let root = try outcome.json()["command"] as? [String: Any] ?? [:]
        var found: [String: CommandSyntax] = [:]
        func collect(_ command: [String: Any], _ path: [String]) {
            let parts = (command["subcommands"] as? [[String: Any]] ?? []).filter {
                $0["commandName"] as? String != "help"
            }
            for part in parts { collect(part, path + [part["commandName"] as? String ?? ""]) }
            if parts.isEmpty { found[path.joined(separator: " ")] = CommandSyntax(command) }
        }
        collect(root, [])
        return found
    }

    private init(_ command: [String: Any]) {
        var (valued, positionals): ([Argument], [Argument]) = ([], [])
        for argument in command["arguments"] as? [[String: Any]] ?? [] where argument["kind"] as? String != "flag" {
            let names = (argument["names"] as? [[String: Any]] ?? []).map { name in
                (name["kind"] as? String == "long" ? "--" : "-") + (name["name"] as? String ?? "")
            }
            let isPositional = argument["kind"] as? String == "positional"
            let name = names.first { $0.hasPrefix("--") } ?? argument["valueName"] as? String ?? ""
            let made = Argument(
                name: name, spellings: Set(names), isRepeating: argument["isRepeating"] as? Bool ?? false)
            valued.append(made)
            if isPositional { positionals.append(made) }
        }
        (self.valued, self.positionals) = (valued, positionals)
    }
}
