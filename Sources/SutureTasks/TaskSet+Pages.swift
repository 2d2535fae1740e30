import Foundation
import SutureFormats

extension TaskSet {
    /// The examples of a folder of tldr pages: each line `- What it does:` with the command in backticks below it.
    ///
    /// Pages are `.md` files anywhere in the folder, read in the order of their paths; links are not followed. What a page
    /// leaves to its reader, `{{path/to/file}}`, stays as it is written.
    ///
    /// Throws ``TaskError`` with code `badList`, naming the line, for a description without a command.
    static func pages(_ folder: URL) throws -> [Task] {
        guard let paths = FileManager.default.enumerator(atPath: folder.path) else {
            throw TaskError(.badList, "this folder cannot be read", subject: folder.relativePath)
        }
        let pages = paths.compactMap { $0 as? String }.filter { $0.lowercased().hasSuffix(".md") }
        return try pages.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.flatMap { path in
            let url = folder.appending(path: path)
            let kind = try url.resourceValues(forKeys: [.isRegularFileKey, .isSymbolicLinkKey])
            guard kind.isRegularFile == true, kind.isSymbolicLink != true else { return [Task]() }
            return try page(url)
        }
    }

    private static func page(_ url: URL) throws -> [Task] {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        guard let text = String(validating: file.text, as: UTF8.self) else {
            throw TaskError(.badList, "this page is not UTF-8", subject: url.relativePath)
        }
        var tasks: [Task] = []
        var open: (intent: String, line: Int)?
        func unanswered(_ open: (intent: String, line: Int)) -> TaskError {
            TaskError(
                .badList, "a description has no command", subject: "\(url.relativePath), line \(open.line)",
                expected: "a line with a command in backticks below it")
        }
        for (number, row) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = row.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("- ") {
                if let open { throw unanswered(open) }
                let intent = line.dropFirst(2).trimmingCharacters(in: .whitespaces)
                open = (intent.hasSuffix(":") ? String(intent.dropLast()) : intent, number + 1)
            } else if let found = open, let command = command(line) {
                tasks.append(Task(intent: found.intent, code: command))
                open = nil
            }
        }
        if let open { throw unanswered(open) }
        return tasks
    }

    /// What stands in a line of nothing but code; more than one backtick encloses a command that has some itself.
    private static func command(_ line: String) -> String? {
        let ticks = line.prefix { $0 == "`" }.count
        guard ticks > 0, line.count > 2 * ticks, line.hasSuffix(String(repeating: "`", count: ticks)) else {
            return nil
        }
        return line.dropFirst(ticks).dropLast(ticks).trimmingCharacters(in: .whitespaces)
    }
}
