import ArgumentParser
import Foundation
import SutureKit

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Draw the page of a result that was kept as JSON.",
        discussion: """
            Read is what repair, evaluate, faithful, sweep and reproduce write with --report FILE.json or print with \
            --format json.

            suture report Documentation/reports/facts-smollm2.json --report facts.html
            """)

    @Argument(help: "A file with a result.")
    var file: String

    @OptionGroup var reports: ReportOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        try FilePlan(reading: [file], writing: reports.outputs).check()
        let page = try Report(redrawing: URL(filePath: file))
        try reports.write(page)
        printing.show(page, quietly: page.verdict?.text ?? page.title)
    }
}
