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

    @Option(help: "The layer of the MLP.")
    var layer: Int?

    @Option(help: "Search the MLPs of these layers too: 18,19,21.")
    var otherLayers: CommaList<Int>?

    @Option(help: "Held-out pairs.")
    var pairs = 1000

    @Option(help: "How often directions are learned, each time from other training pairs.")
    var seeds = 3

    @OptionGroup var options: DirectionStudyOptions

    func validate() throws {
        guard pairs > 1, (1...100).contains(seeds) else {
            throw ValidationError("--pairs is at least 2, --seeds 1...100.")
        }
    }

    func run() throws {
        var study = IllusionStudy()
        study.layer = layer
        study.otherLayers = otherLayers?.elements ?? []
        study.heldOutPairs = pairs
        study.trainPairs = options.trainPairs
        study.seeds = (1...seeds).map(UInt64.init)
        study.das.epochs = options.epochs
        try options.run { folder, model, tokenizer, name, progress in
            study.folder = folder
            return try study.run(model, tokenizer, modelName: name, progress: progress)
        } page: {
            try Report($0)
        } quietly: {
            String(format: "%.3f", $0.effect(.vMLPRow) / $0.effect(.vMLP))
        }
    }
}
