import ArgumentParser
import Foundation
import SutureKit

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "List the patches that a model has, in the order of their application.")

    @Argument(help: "A snapshot directory or a GGUF file.")
    var model: String

    @OptionGroup var printing: OutputOptions

    func run() throws {
        let url = URL(filePath: model)
        let patched = try PatchedCheckpoint(Checkpoint(url))
        let ids = patched.present.patches.map(\.patch.id).joined(separator: "\n")
        if printing.format == .quiet {
            if !ids.isEmpty { print(ids) }
            return
        }
        printing.show(try Report(patched.present, drift: patched.drift(), title: url.lastPathComponent), quietly: ids)
    }
}
