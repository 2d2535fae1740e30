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
            title: "Parity of \(model.url.lastPathComponent)",
            verdict: .init(passes ? .good : .bad, "max |Δlogit| \(largest), tolerance \(tolerance)"),
            schema: "suture.parity/1", data: parity,
            blocks: [
                .table(
                    .init(
                        columns: [
                            "prompt", .number("tokens"), .number("logits compared"), .number("max |Δlogit|"),
                            .number("greedy tokens equal")
                        ],
                        rows: parity.comparisons.map { comparison in
                            [
                                .init(comparison.prompt), .init("\(comparison.tokens)"), .init("\(comparison.logits)"),
                                .init(String(format: "%.2g", comparison.largestDifference)),
                                .init(comparison.greedyTokens.map { "\(comparison.sameTokens ?? 0) of \($0)" } ?? "")
                            ]
                        }))
            ])
        printing.show(report, quietly: largest)
        if !passes { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }
}
