import ArgumentParser
import Foundation
import SutureKit

struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce", abstract: "Repeat a published experiment on a model.",
        subcommands: [
            IllusionCommand.self, StartsCommand.self, FactsCommand.self, PlantedCommand.self,
            SignaturesStudyCommand.self
        ])
}

/// Where reports are written, each in the format that its file's name asks for.
struct ReportOptions: ParsableArguments {
    @Option(help: "Write the report to this file: .html, .md or .json; may be repeated.")
    var report: [String] = []

    @Flag(help: "Write over files that are there.")
    var force = false

    func validate() throws {
        for path in report where !["html", "md", "json"].contains(URL(filePath: path).pathExtension) {
            throw ValidationError("A report's name ends in .html, .md or .json, not \"\(path)\".")
        }
    }

    var outputs: [FilePlan.Output?] { get throws { try report.map { try destination($0, force: force) } } }

    func write(_ page: Report) throws {
        for path in report {
            let url = URL(filePath: path)
            let text =
                switch url.pathExtension {
                case "md": page.markdown()
                case "json": page.json
                default: page.html()
                }
            try AtomicFile.write(Array(text.utf8), to: url, overwriting: force)
        }
    }
}
