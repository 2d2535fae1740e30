import ArgumentParser
import Foundation
import SutureKit

struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce", abstract: "Repeat a published experiment on a model.",
        subcommands: [IllusionCommand.self, FactsCommand.self, SignaturesStudyCommand.self])
}

/// A report in the format that its file's name asks for.
enum ReportFile {
    static func check(_ paths: [String]) throws {
        for path in paths where !["html", "md", "json"].contains(URL(filePath: path).pathExtension) {
            throw ValidationError("A report's name ends in .html, .md or .json, not \"\(path)\".")
        }
    }

    static func write(_ report: Report, to path: String, force: Bool) throws {
        let url = URL(filePath: path)
        let text =
            switch url.pathExtension {
            case "md": report.markdown()
            case "json": report.json
            default: report.html()
            }
        try AtomicFile.write(Array(text.utf8), to: url, overwriting: force)
    }
}
