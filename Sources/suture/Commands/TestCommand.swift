import ArgumentParser
import Foundation
import SutureKit

struct TestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Ask a model your own test cases; exit code 1 if any answer is wrong.",
        discussion: """
            CASES has the form of a list of failures: JSON Lines with "prompt" and "expected", or .tsv with two columns. A \
            case is met if greedy decoding gives the expected answer.

            suture test model cases.jsonl --patch fix.safetensors
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "A file of cases: .jsonl or .tsv; - for standard input.")
    var cases: String

    @OptionGroup var chatting: ChatOptions

    @Option(help: "A patch to apply on load; may be given several times.")
    var patch: [String] = []

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func run() throws {
        try FilePlan(reading: [model.model, cases] + patch, writing: reports.outputs).check()
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let list = try Failure.read(path: cases, chat: chat)
        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0))) }
        let network = try model.load(checkpoint, patches: patches)
        let progress = printing.progress
        defer { progress.finish() }
        let results = try Detection(of: list, in: network, tokenizer, progress: progress.handler)
        progress.finish()
        let page = try Report(
            testing: results, title: "\(model.url.lastPathComponent): \(URL(filePath: cases).lastPathComponent)")
        try reports.write(page)
        printing.show(page, quietly: "\(results.answers.count(where: \.isRight)) of \(list.count)")
        if printing.format == .human { noteBoundaries(of: list, isChat: chat != nil) }
        guard results.areAllRight else { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }
}
