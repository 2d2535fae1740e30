import ArgumentParser
import Foundation
import SutureKit

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say what a patch changes, who made it and what is known of it.",
        discussion: "--format markdown writes a card, to be kept beside the patch.")

    @Argument(help: "A patch file.")
    var patch: String

    @Option(help: "How it is printed: human, markdown, json, quiet.")
    var format = Format.human

    @OptionGroup var work: ThreadOptions

    enum Format: String, ExpressibleByArgument, CaseIterable { case human, markdown, json, quiet }

    func run() throws {
        let patch = try Patch(contentsOf: URL(filePath: patch))
        if format == .quiet { return print(patch.id) }
        let title = URL(filePath: self.patch).lastPathComponent
        let report = try Report(patch, title: title, more: format == .markdown ? Report.card(of: title, patch) : [])
        switch format {
        case .markdown: print(report.markdown(), terminator: "")
        case .json: print(report.json, terminator: "")
        default: print(report.terminal(width: Terminal.width, style: .automatic(for: .output)))
        }
    }
}
