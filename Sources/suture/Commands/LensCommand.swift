import ArgumentParser
import Foundation
import SutureKit

struct LensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lens",
        abstract: "Show what a model would say after each layer, and what each part writes toward an answer.",
        discussion: """
            The logit lens: the residual stream at each layer through the last norm and the head. And direct logit \
            attribution: what each attention, MLP, head and neuron adds to the score of the answer (less that of --other).

            suture lens model.gguf -p 'The capital of Australia is' --answer ' Canberra' --other ' Sydney'
            """)

    @OptionGroup var model: ChangedModelOptions

    @Option(name: .shortAndLong, help: "What the model reads.")
    var prompt: String

    @Option(help: "The answer; one token, with its space. (default: what the model says)")
    var answer: String?

    @Option(help: "A rival answer, whose score is taken off.")
    var other: String?

    @Option(help: "How many neurons to list.")
    var count = 8

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (0...10_000).contains(count) else { throw ValidationError("--count is 0...10000, not \(count).") }
    }

    func run() throws {
        try FilePlan(reading: model.files, writing: reports.outputs).check()
        let checkpoint = try model.model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let loaded = try model.load(checkpoint)
        let lens = try Lens(
            loaded, Prompt(prompt), answer: answer, less: other, strongest: count, tokenizer,
            modelName: model.name)
        let page = try Report(lens)
        try reports.write(page)
        printing.show(page, quietly: lens.answer)
    }
}
