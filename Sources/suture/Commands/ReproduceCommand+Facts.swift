import ArgumentParser
import Foundation
import SutureKit

struct FactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "facts",
        abstract: "Facts moved by patches and by rank-1 edits, layer by layer.",
        discussion: """
            FACTS is known_1000.json or counterfact.json of ROME (rome.baulab.info/data), of which the facts that the model \
            knows are taken (Makelov, Lange & Nanda 2023, section 6).

            suture reproduce facts model.gguf known_1000.json --report facts.html
            """)

    @OptionGroup var model: LanguageModelOptions

    @Argument(help: "Facts, as a JSON list.")
    var facts: String

    @Option(help: "Layers, such as 0,5,10; every fifth unless they are named.")
    var layers: CommaList<Int>?

    @Option(help: "How many pairs of facts.")
    var pairs = 40

    @Option(help: "Steps of learning a direction.")
    var steps = 60

    @Option(help: "Seed of pairs and learning.")
    var seed: UInt64 = 1

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(pairs), (1...100_000).contains(steps) else {
            throw ValidationError("--pairs is 1...10000, --steps 1...100000.")
        }
    }

    func run() throws {
        try FilePlan(reading: [model.model, facts], writing: reports.outputs).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let list = try FactualPairs(contentsOf: URL(filePath: facts))
        let loaded = try model.load(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        var study = FactStudy()
        study.layers = layers?.elements ?? []
        study.steps = steps
        study.seed = seed
        let known = try list.known(to: loaded, tokenizer, seed: seed, progress: progress.handler)
        let result = try study.run(
            loaded, Array(known.prefix(pairs)), texts: list.prompts(tokenizer),
            modelName: checkpoint.url.lastPathComponent, progress: progress.handler)
        progress.finish()
        let page = try Report(result)
        try reports.write(page)
        let rates = result.rows.map { String(format: "%d:%.2f", $0.layer, $0.effects[.direction]?.flips.value ?? 0) }
        printing.show(page, quietly: rates.joined(separator: " "))
    }
}
