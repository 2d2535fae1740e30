import ArgumentParser
import Foundation
import SutureKit

/// A model and the patches that are wanted on top of those it has.
struct PatchOptions: ParsableArguments {
    @Argument(help: "A snapshot directory or a GGUF file.")
    var model: String

    @Argument(help: "Patch files.")
    var patch: [String]

    @Option(help: "How much of the patches to apply; 1 is all, 0 nothing.")
    var scale = 1.0

    func validate() throws {
        guard !patch.isEmpty else { throw ValidationError("Name at least one patch file.") }
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
    }

    func patched() throws -> PatchedCheckpoint {
        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0)), scale: scale) }
        return try PatchedCheckpoint(Checkpoint(URL(filePath: model))).adding(patches)
    }
}

/// Where a model is written.
struct ModelOutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The directory of the new model.")
    var output: String

    @Flag(help: "Replace a model that is there.")
    var force = false

    var url: URL { URL(filePath: output) }
}

struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Write a new model with patches; the old one stays as it is.")

    @OptionGroup var patches: PatchOptions
    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        let patched = try patches.patched()
        try patched.write(to: result.url, overwriting: result.force)
        printing.show(try LogCommand.report(patched.stack, of: result.url), quietly: result.output)
    }
}
