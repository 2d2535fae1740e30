import ArgumentParser
import Foundation
import SutureKit

struct RebaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebase",
        abstract: "Make a repair anew on top of other patches, so that they work together.",
        discussion: """
            What PATCH repaired, as its own report has it, is repaired again by its method, on the model with the patches \
            named by --onto, whose repairs have to hold.

            suture rebase model second.safetensors --onto first.safetensors -o second-on-first.safetensors
            """)

    @OptionGroup var model: LanguageModelOptions

    @Argument(help: "A patch that suture repair made.")
    var patch: String

    @Option(help: "A patch that comes first; may be given several times.")
    var onto: [String]

    @OptionGroup var limits: LimitOptions
    @OptionGroup var result: PatchOutputOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        try result.check(reading: [model.model, patch] + onto)
        // The model comes first, as it does in the repair, which says what is odd about its files.
        _ = try Checkpoint(model.url)
        let old = try Patch(contentsOf: URL(filePath: patch))
        _ = try old.requireRepaired(file: patch)
        guard let method = MethodName(rawValue: old.method.name) else {
            throw RepairError(
                .badRequest, "no method of repair has this name", subject: patch,
                expected: MethodName.allCases.map(\.rawValue).joined(separator: ", "), found: old.method.name)
        }
        let settings = (old.method.options.objectValue ?? [:]).compactMap { name, value in
            value.doubleValue.map { "\(name)=\($0)" }
        }
        let repair = try RepairCommand.parse(
            [model.model, "--failures=\(patch)", "--method=\(method.rawValue)", "--output=\(result.output)"]
                + onto.map { "--patch=\($0)" } + (settings.isEmpty ? [] : ["--set=\(settings.joined(separator: ","))"])
                + limits.arguments + (result.force ? ["--force"] : []) + model.arguments
                + ["--format=\(printing.format.rawValue)"]
                + (printing.threads.map { ["--threads=\($0)"] } ?? []))
        try repair.run()
    }
}
