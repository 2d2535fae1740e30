import ArgumentParser
import Foundation
import SutureKit

/// What studies that learn directions are asked with, and how they run.
struct DirectionStudyOptions: ParsableArguments {
    @OptionGroup var model: LanguageModelOptions

    @Option(help: "Training pairs.")
    var trainPairs = 200

    @Option(help: "Epochs of learning.")
    var epochs = 10

    @Option(help: "Keep learned directions in this directory; a study that was interrupted goes on with them.")
    var directions: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard trainPairs >= 8, (1...10_000).contains(epochs) else {
            throw ValidationError("--train-pairs is at least 8, --epochs 1...10000.")
        }
    }

    /// Runs a study, and prints and writes its page.
    func run<Result>(
        _ study: (_ folder: URL?, LanguageModel, Tokenizer, _ name: String, @escaping ProgressHandler) throws -> Result,
        page: (Result) throws -> Report, quietly: (Result) -> String
    ) throws {
        try FilePlan(
            reading: [model.model], writing: [destination(directions, .collection)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        // Directions of one model are none of another.
        let folder = try directions.map { try URL(filePath: $0).appending(path: "\(checkpoint.digest().prefix(12))") }
        if let folder, let directions {
            Interruption.keep("what is in \(directions) is kept, and the same command goes on with it")
            try FileManager.default.makeDirectory(folder)
        }
        let progress = printing.progress
        defer { progress.finish() }
        let result = try study(
            folder, model.load(checkpoint), tokenizer, checkpoint.url.lastPathComponent, progress.handler)
        progress.finish()
        let page = try page(result)
        try reports.write(page)
        printing.show(page, quietly: quietly(result))
    }
}
