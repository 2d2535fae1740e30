import ArgumentParser
import Foundation
import SutureKit

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say how two models differ, tensor by tensor.")

    @Argument(help: "A model: a snapshot directory or a GGUF file.")
    var first: String

    @Argument(help: "Another one.")
    var second: String

    @Option(help: "Tell the rank of each difference within this error, as a fraction of its norm.")
    var rank: Double?

    @Option(help: "How many columns or rows (neurons) of each matrix are named.")
    var top = 3

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if let rank, !(rank >= 0 && rank < 1) { throw ValidationError("--rank is 0 or more, below 1, not \(rank).") }
        guard 0...1000 ~= top else { throw ValidationError("--top is 0...1000, not \(top).") }
    }

    func run() throws {
        let difference = try CheckpointDifference(
            Checkpoint(opening: URL(filePath: first)), Checkpoint(opening: URL(filePath: second)), rankTolerance: rank,
            topCount: top)
        let report = try Report(difference, title: "\(first) and \(second)")
        let names = difference.tensors.map(\.name) + difference.others
        printing.show(report, quietly: names.joined(separator: "\n"))
    }
}
