import ArgumentParser
import Foundation
import SutureKit

struct CircuitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "circuit",
        abstract: "Find the edges between heads and MLPs that an answer needs, and measure how far they suffice.",
        discussion: """
            suture circuit model.gguf --report circuit.html
            suture circuit model.gguf --pairs pairs.jsonl --train-pairs train.jsonl --method eap --report circuit.html

            A pair is a clean prompt (base) and a corrupted one (source) of as many tokens, as JSON Lines: {"base": "...", \
            "source": "...", "answer": " a", "other": " b"}. Without pairs, examples of indirect object identification are taken.
            """)

    @OptionGroup var model: ChangedModelOptions

    @Option(help: "Pairs of prompts that circuits are measured on (.jsonl).")
    var pairs: String?

    @Option(help: "Pairs that edges are scored on (.jsonl); without it, --pairs.")
    var trainPairs: String?

    @Option(help: "How many built-in pairs are scored, and how many others measured, without --pairs. (default: 50)")
    var count: Int?

    @Option(help: "How edges are scored: eap, eap-ig, or exact, which patches each by itself: slow.")
    var method = CircuitMethod.eapIG

    @Option(help: "The points of integrated gradients (eap-ig). (default: 5)")
    var steps: Int?

    @Option(help: "Which edges a circuit takes: top, the largest scores, or greedy, from the output backwards.")
    var choice = Circuit.Choice.top

    @Option(help: "Keep the scores of all edges in this file (.safetensors).")
    var scores: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...1000).contains(steps ?? 1) else { throw ValidationError("--steps is 1...1000.") }
        guard steps == nil || method == .eapIG else { throw ValidationError("--steps goes with --method eap-ig.") }
        guard (2...10_000).contains(count ?? 2) else { throw ValidationError("--count is 2...10000.") }
        guard count == nil || pairs == nil else {
            throw ValidationError("--count is of the built-in pairs: it does not go with --pairs.")
        }
        guard trainPairs == nil || pairs != nil else { throw ValidationError("--train-pairs goes with --pairs.") }
        if let scores, URL(filePath: scores).pathExtension != "safetensors" {
            throw ValidationError("--scores is a file whose name ends in .safetensors, not \"\(scores)\".")
        }
    }

    func run() throws {
        try FilePlan(
            reading: model.files + [pairs, trainPairs],
            writing: [destination(scores, force: reports.force)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let (test, train) = try given(tokenizer)
        // What is wrong with the prompts is said before the model is loaded.
        func tokens(_ pairs: [PromptPair]) throws -> [TokenizedPair] {
            try pairs.map { try TokenizedPair($0, tokenizer) }
        }
        let (testTokens, trainTokens) = (try tokens(test), try train.map(tokens))
        let loaded = try model.load(checkpoint)
        let measured = try CircuitRuns(loaded, testTokens, progress: progress.handler)
        let scored = try trainTokens.map { try CircuitRuns(loaded, $0, progress: progress.handler) }
        var settings = CircuitReport.Settings()
        (settings.method, settings.steps, settings.choice) = (method, steps ?? 5, choice)
        let found = try (scored ?? measured).scores(settings, progress: progress.handler)
        let circuit = try CircuitReport(
            scored ?? measured, test: scored == nil ? nil : measured, scores: found, settings, first: test[0],
            modelName: model.name, progress: progress.handler)
        progress.finish()
        if let scores { try found.write(to: URL(filePath: scores), overwriting: reports.force) }
        let page = try Report(circuit)
        try reports.write(page)
        printing.show(page, quietly: "\(circuit.cpr.value) \(circuit.cmd.value)")
    }

    /// The pairs to measure, and those to score edges on where they are others.
    private func given(_ tokenizer: Tokenizer) throws -> (test: [PromptPair], train: [PromptPair]?) {
        if let pairs {
            return (
                try PromptPair.read(URL(filePath: pairs)), try trainPairs.map { try PromptPair.read(URL(filePath: $0)) }
            )
        }
        return (
            try IOI(.heldOut, tokenizer).flipped(count ?? 50, seed: 1),
            try IOI(.train, tokenizer).flipped(count ?? 50, seed: 0)
        )
    }
}

extension CircuitMethod: ExpressibleByArgument {}
extension Circuit.Choice: ExpressibleByArgument {}
