import ArgumentParser
import Foundation
import SutureKit

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether patches fit a model, without writing anything.",
        discussion:
            "A model that the patches were not made for is refused (exit code 3), with every tensor that differs.")

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
        printing.show(try Report(fitting: patched), quietly: "fits")
    }
}
