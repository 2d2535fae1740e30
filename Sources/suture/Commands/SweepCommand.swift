import ArgumentParser
import Foundation
import SutureKit

struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Patch one prompt from another everywhere, and draw where it matters.",
        discussion: """
            suture sweep model.gguf --kind heads \\
              --prompt 'When Mary and John went to the store, John gave a drink to' \\
              --source 'When John and Mary went to the store, John gave a drink to' --answer ' Mary' --other ' John'
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "\(SweepMap.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var kind = SweepMap.Kind.residual

    @Option(help: "The prompt that is run.")
    var prompt = "When Mary and John went to the store, John gave a drink to"

    @Option(help: "The prompt that lends its activations; as many tokens.")
    var source = "When John and Mary went to the store, John gave a drink to"

    @Option(help: "What the prompt should be answered with; one token, with its space.")
    var answer = " Mary"

    @Option(help: "The rival answer.")
    var other = " John"

    @Option(help: "Which component attribution estimates: residual, attention, mlp, hidden.")
    var component = Sweep.Component.residual

    @Option(
        help: "How many neurons of each layer are patched at the last token, the strongest by attribution (neurons).")
    var count = 8

    @Option(help: "What receives (paths): 23.4 or 23.4.keys or .values of a head, mlp.23, logits.")
    var receiver: String?

    @Option(help: "The word whose embeddings are disturbed (trace).")
    var subject: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...1000).contains(count) else { throw ValidationError("--count is 1...1000.") }
        if kind == .paths, receiver.flatMap(Sweep.Receiver.init) == nil {
            throw ValidationError("--kind paths needs --receiver, such as 23.4, 23.4.keys, mlp.23 or logits.")
        }
        if kind == .trace, subject == nil { throw ValidationError("--kind trace needs --subject WORD.") }
    }

    func run() throws {
        try FilePlan(reading: [model.model], writing: reports.outputs).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let roles = subject.map { ["subject": Prompt.Word($0)] } ?? [:]
        let pair = PromptPair(base: Prompt(prompt, roles: roles), source: Prompt(source), answer: answer, other: other)
        // What is wrong with the prompts is said before the model is loaded.
        _ = try TokenizedPair(pair, tokenizer)
        var settings = SweepMap.Settings()
        (settings.component, settings.neurons, settings.subject) = (component, count, subject)
        if let receiver = receiver.flatMap(Sweep.Receiver.init) { settings.receiver = receiver }
        let sweep = try SweepMap(
            kind, of: pair, settings, in: model.load(checkpoint), tokenizer, modelName: model.url.lastPathComponent,
            progress: progress.handler)
        progress.finish()
        let page = try Report(sweep)
        try reports.write(page)
        printing.show(page, quietly: sweep.largest.map { "\($0.layer) \($0.column) \($0.effect)" } ?? "")
    }
}

extension SweepMap.Kind: ExpressibleByArgument {}
extension Sweep.Component: ExpressibleByArgument {}
