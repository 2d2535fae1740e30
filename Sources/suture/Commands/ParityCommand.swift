import ArgumentParser
import Foundation
import SutureKit

struct ParityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parity", abstract: "Hold the forward pass against what another implementation computed.")

    @OptionGroup var model: ModelOptions

    @Option(help: "A safetensors file of prompts and logits; Tests/Goldens has some made with transformers.")
    var golden: String

    @Option(help: "The largest |logit - golden logit| that passes.")
    var tolerance = 1e-3

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard tolerance >= 0 else { throw ValidationError("--tolerance is not negative.") }
    }

    func run() throws {
        let parity = try Parity(model.load(model.checkpoint()), golden: URL(filePath: golden))
        let passes = parity.largestDifference <= tolerance && parity.hasSameTokens
        let largest = String(format: "%.2g", parity.largestDifference)
        let report = try Report(
            parity, tolerance: tolerance, passes: passes, title: "Parity of \(model.url.lastPathComponent)")
        printing.show(report, quietly: largest)
        if !passes { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }
}
