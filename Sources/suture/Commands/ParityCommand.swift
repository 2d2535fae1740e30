import ArgumentParser
import Foundation
import SutureKit

struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parity", abstract: "Hold the forward pass against what another implementation computed.",
        discussion: """
            A golden has, for each prompt P of a language model, P.ids and P.logits; for each picture P of a classifier its file \
            P.file (U8) and P.logits, so that the preparation of pictures is held against the other's, too.
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "A safetensors file of prompts or pictures, and logits; Tests/Goldens has some.")
    var golden: String

    @Option(help: "The largest |logit - golden logit| that passes.")
    var tolerance = 1e-3

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard tolerance >= 0 else { throw ValidationError("--tolerance is not negative.") }
    }

    func run() throws {
        let checkpoint = try model.checkpoint()
        let url = URL(filePath: golden)
        let parity =
            try ClassifierArchitecture.describes(checkpoint)
            ? Parity(model.files.loadClassifier(checkpoint), golden: url) : Parity(model.load(checkpoint), golden: url)
        let passes = parity.largestDifference <= tolerance && parity.hasSameTokens
        let largest = String(format: "%.2g", parity.largestDifference)
        let report = try Report(
            parity, tolerance: tolerance, passes: passes, title: "Parity of \(model.url.lastPathComponent)")
        printing.show(report, quietly: largest)
        if !passes { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }
}
