import ArgumentParser
import Foundation
import SutureKit

struct RevertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revert", abstract: "Write a new model without one of its patches, exact to the last bit.")

    @Argument(help: "A patched snapshot directory or GGUF file.")
    var model: String

    @Argument(help: "The id of a patch that `suture log` lists, or its first digits, or the patch's file.")
    var id: String?

    @Flag(help: "Take off the patch that was applied last.")
    var last = false

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (id != nil) != last else { throw ValidationError("Name the patch, or give --last.") }
    }

    func run() throws {
        let file = id.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        try result.check(reading: [file], patching: model)
        let patched = try PatchedCheckpoint(Checkpoint(opening: URL(filePath: model)))
        try writing.write(patched.removing(chosen(file, patched.present)), to: result, printing)
    }

    /// The id of the patch that is to go.
    private func chosen(_ file: String?, _ present: PatchStack) throws -> String {
        if let file { return try Patch(contentsOf: URL(filePath: file)).id }
        if let id { return id }
        guard let last = present.patches.last else {
            throw PatchError(.notApplied, "this model has no patches", subject: model)
        }
        return last.patch.id
    }
}
