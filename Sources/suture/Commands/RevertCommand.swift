import ArgumentParser
import Foundation
import SutureKit

struct RevertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Write a new model without one of its patches, exact to the last bit.")

    @Argument(help: "A patched snapshot directory.")
    var model: String

    @Argument(help: "The id of a patch that `suture log` lists, or its first digits.")
    var id: String

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        try result.check(reading: [], from: model)
        try writing.write(
            PatchedCheckpoint(Checkpoint(opening: URL(filePath: model))).removing(id), to: result, printing)
    }
}
