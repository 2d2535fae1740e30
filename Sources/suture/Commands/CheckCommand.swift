import ArgumentParser
import Foundation
import SutureKit

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether patches fit a model, without writing anything.",
        discussion:
            """
            A model that the patches were not made for is refused (exit code 3), with every tensor that differs. Where several \
            patches say what they repaired, the model is asked for all these answers with all patches on it; a set that loses \
            one is refused, too.
            """)

    @OptionGroup var patches: PatchOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        let patched = try patches.patched()
        do {
            try patched.check()
        } catch let error as PatchError {
            // Of a single one the error itself says as much.
            for difference in error.differences where error.differences.count > 1 {
                note("\(difference.tensor): expected \(difference.expected), found \(difference.found)")
            }
            throw error
        }
        let progress = printing.progress
        defer { progress.finish() }
        let answers =
            try patches.conflicts.allowConflicts
            ? nil : StackedAnswers(patched, progress: progress.handler)
        progress.finish()
        try answers?.check()
        printing.show(try Report(fitting: patched, answers: answers), quietly: "fits")
    }
}
