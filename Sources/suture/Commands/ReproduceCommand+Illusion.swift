import ArgumentParser
import Foundation
import SutureKit

struct IllusionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "illusion",
        abstract:
            "The interpretability illusion: a direction that works through a dormant pathway, beside one that does not.",
        discussion: """
            Indirect object identification with names and templates that were not trained on; the layer is found on \
            training pairs unless it is given (Makelov, Lange & Nanda 2023, table 1).

            suture reproduce illusion model.gguf --report illusion.html
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "The layer of the MLP.")
    var layer: Int?

    @Option(help: "Search the MLPs of these layers too: 18,19,21.")
    var otherLayers: CommaList<Int>?

    @Option(help: "Held-out pairs.")
    var pairs = 1000

    @Option(help: "Training pairs for each seed.")
    var trainPairs = 200

    @Option(help: "How often directions are learned.")
    var seeds = 3

    @Option(help: "Epochs of learning.")
    var epochs = 10

    @Option(help: "Keep learned directions in this directory; a study that was interrupted goes on with them.")
    var directions: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard pairs > 1, trainPairs >= 8, (1...100).contains(seeds), (1...10_000).contains(epochs) else {
            throw ValidationError("--pairs is at least 2, --train-pairs 8, --seeds 1...100, --epochs 1...10000.")
        }
    }

    func run() throws {
        try FilePlan(
            reading: [model.model], writing: [destination(directions, .collection)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        var study = IllusionStudy()
        if let directions {
            study.folder = URL(filePath: directions)
            Interruption.keep("what is in \(directions) is kept, and the same command goes on with it")
            try FileManager.default.makeDirectory(URL(filePath: directions))
        }
        study.layer = layer
        study.otherLayers = otherLayers?.elements ?? []
        study.heldOutPairs = pairs
        study.trainPairs = trainPairs
        study.seeds = (1...seeds).map(UInt64.init)
        study.das.epochs = epochs
        let progress = printing.progress
        defer { progress.finish() }
        let result = try study.run(
            model.load(checkpoint), tokenizer, modelName: checkpoint.url.lastPathComponent,
            progress: progress.handler)
        progress.finish()
        let page = try Report(result)
        try reports.write(page)
        printing.show(page, quietly: String(format: "%.3f", result.effect(.vMLPRow) / result.effect(.vMLP)))
    }
}
