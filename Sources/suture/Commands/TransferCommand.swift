import ArgumentParser
import Foundation
import SutureKit

struct TransferCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer",
        abstract: "Do to a third model what tuning did to the first: add second - first to it.",
        discussion: """
            Task arithmetic in one pass over the files. Nothing is recorded by which the change could be taken off again: \
            for that, `suture extract` makes a patch of the difference and `suture apply --transfer` adds it.
            """)

    @Argument(help: "The model before it was tuned.")
    var base: String

    @Argument(help: "The model after.")
    var tuned: String

    @Argument(help: "The model that changes, a snapshot directory.")
    var target: String

    @Option(parsing: .unconditional, help: "How much of the difference is added.")
    var scale = 1.0

    @Flag(help: "Leave out tensors that not all three models have in one shape.")
    var shared = false

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
    }

    func run() throws {
        try result.check(reading: [base, tuned], from: target)
        let transfer = try DifferenceTransfer(
            from: Checkpoint(opening: URL(filePath: base)), to: Checkpoint(opening: URL(filePath: tuned)),
            onto: Checkpoint(opening: URL(filePath: target)), scale: scale, isPartial: shared)
        for name in transfer.ignored { note("left as it is: \(name)") }
        let changed = try transfer.write(to: result.url, overwriting: result.force)
        let report = try Report(transferred: changed, leaving: transfer.ignored, to: result.output)
        printing.show(report, quietly: result.output)
    }
}
