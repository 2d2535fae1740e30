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

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "These layers: 18,19,21 (default: all but the last)")
    var layers: CommaList<Int>?

    @Option(help: "Random starts.")
    var starts = 10

    @Option(help: "MLPs with random weights for each layer, to compare with.")
    var controls = 3

    @Option(help: "How many directions are learned together.")
    var dimensions = 1

    @Option(help: "Held-out pairs.")
    var pairs = 500

    @Option(help: "Training pairs.")
    var trainPairs = 200

    @Option(help: "Epochs of learning.")
    var epochs = 10

    @Option(help: "Keep learned directions in this directory; a study that was interrupted goes on with them.")
    var directions: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard pairs > 1, trainPairs >= 8, (1...1000).contains(starts), (0...1000).contains(controls),
            (1...10_000).contains(epochs), dimensions >= 1
        else {
            throw ValidationError(
                "--pairs is at least 2, --train-pairs 8, --dimensions 1, --starts 1...1000, --controls 0...1000, "
                    + "--epochs 1...10000.")
        }
    }

    func run() throws {
        try FilePlan(
            reading: [model.model], writing: [destination(directions, .collection)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        var study = StartsStudy()
        if let directions {
            study.folder = URL(filePath: directions)
            Interruption.keep("what is in \(directions) is kept, and the same command goes on with it")
            try FileManager.default.makeDirectory(URL(filePath: directions))
        }
        study.layers = layers?.elements
        (study.starts, study.controls) = (starts, controls)
        (study.heldOutPairs, study.trainPairs) = (pairs, trainPairs)
        (study.das.directions, study.das.epochs) = (dimensions, epochs)
        let progress = printing.progress
        defer { progress.finish() }
        let result = try study.run(
            model.load(checkpoint), tokenizer, modelName: checkpoint.url.lastPathComponent,
            progress: progress.handler)
        progress.finish()
        let page = try Report(result)
        try reports.write(page)
        printing.show(page, quietly: "\(result.sites.reduce(0) { $0 + $1.illusions })")
    }
}
