import ArgumentParser
import Foundation
import SutureKit

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a model is: family, sizes, sites, tokenizer; or classes.")

    @OptionGroup var model: ModelOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        let checkpoint = try model.checkpoint()
        let title = model.url.lastPathComponent
        if ClassifierArchitecture.describes(checkpoint) {
            let classifier = try ClassifierArchitecture(
                config: checkpoint.config.value, source: checkpoint.config.path)
            return printing.show(
                try Report(of: classifier, checkpoint, title: title), quietly: classifier.family)
        }
        let architecture = try Architecture(config: checkpoint.config.value, source: checkpoint.config.path)
        let report = try Report(
            of: architecture, checkpoint, tokens: vocabularySize(checkpoint), title: title)
        printing.show(report, quietly: architecture.family)
    }

    /// nil for a snapshot without a tokenizer; one that cannot be read is an error.
    private func vocabularySize(_ checkpoint: Checkpoint) throws -> Int? {
        let file = checkpoint.url.appending(path: "tokenizer.json")
        if checkpoint.gguf == nil, !FileManager.default.fileExists(atPath: file.path) { return nil }
        return try Tokenizer(checkpoint).vocabularySize
    }
}
