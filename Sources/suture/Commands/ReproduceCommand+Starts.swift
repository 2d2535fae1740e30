import ArgumentParser
import Foundation
import SutureKit

struct StartsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "starts",
        abstract: "The illusion from random starts: directions learned in every layer, and whether they agree.",
        discussion: """
            The task of reproduce illusion. With --directions a run that is interrupted goes on.

            suture reproduce starts model.gguf --directions found --report starts.html
            """)

    @Option(help: "These layers, from 0: 18 or 16-26, separated by commas. (default: all but the last)")
    var layers: LayerList?

    @Option(help: "Random starts.")
    var starts = 10

    @Option(help: "MLPs with random weights for each layer, to compare with.")
    var controls = 3

    @Option(help: "How many directions are learned together.")
    var dimensions = 1

    @Option(help: "Held-out pairs.")
    var pairs = 500

    @OptionGroup var options: DirectionStudyOptions

    func validate() throws {
        guard pairs > 1, (1...1000).contains(starts), (0...1000).contains(controls), dimensions >= 1 else {
            throw ValidationError(
                "--pairs is at least 2, --dimensions 1, --starts 1...1000, --controls 0...1000.")
        }
    }

    func run() throws {
        var study = StartsStudy()
        study.layers = layers?.layers
        (study.starts, study.controls) = (starts, controls)
        (study.heldOutPairs, study.trainPairs) = (pairs, options.trainPairs)
        (study.das.directions, study.das.epochs) = (dimensions, options.epochs)
        try options.run { folder, model, tokenizer, name, progress in
            study.folder = folder
            return try study.run(model, tokenizer, modelName: name, progress: progress)
        } page: {
            try Report($0)
        } quietly: {
            "\($0.sites.reduce(0) { $0 + $1.illusions })"
        }
    }
}
