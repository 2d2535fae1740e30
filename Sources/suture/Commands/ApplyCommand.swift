import ArgumentParser
import Foundation
import SutureKit

/// A model and the patches that are wanted on top of those it has.
struct PatchOptions: ParsableArguments {
    @Argument(help: "A snapshot directory or a GGUF file.")
    var model: String

    @Argument(help: "Patch files.")
    var patch: [String]

    @Option(
        parsing: .unconditional,
        help: "How much of the patches to apply; 1 is all, 0 nothing, less than 0 the opposite.")
    var scale = 1.0

    @OptionGroup var conflicts: ConflictOptions

    func validate() throws {
        guard !patch.isEmpty else { throw ValidationError("Name at least one patch file.") }
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
    }

    func patched() throws -> PatchedCheckpoint {
        let checkpoint = try PatchedCheckpoint(Checkpoint(opening: URL(filePath: model)))
        let patches = try appliedPatches(patch, scale: scale)
        return try checkpoint.adding(patches, allowingConflicts: conflicts.allowConflicts)
    }
}

/// What happens to patches that exclude one another.
struct ConflictOptions: ParsableArguments {
    @Flag(help: "Take patches that change the same neurons, although one may undo the other.")
    var allowConflicts = false
}

/// Where a model is written.
struct ModelOutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The directory of the new model; a patched GGUF file is a file again.")
    var output: String

    @Flag(help: "Replace a model that is there.")
    var force = false

    var url: URL { URL(filePath: output) }

    /// Refuses, before any work is done for it, a place where no model can be written from what is read; `source` is what
    /// it is made from.
    func check(reading inputs: [String?], from source: String? = nil) throws {
        let kind = FolderKind.model(from: source.map { URL(filePath: $0) })
        try check(inputs + [source], .folder(kind))
    }

    /// The same for a patched model, which is a file where `source` is one.
    func check(reading inputs: [String?], patching source: String) throws {
        var isDirectory: ObjCBool = false
        let isFile =
            FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory) && !isDirectory.boolValue
            && !source.hasSuffix(".safetensors")
        if isFile { try check(inputs + [source], .file) } else { try check(reading: inputs, from: source) }
    }

    private func check(_ inputs: [String?], _ form: FilePlan.Form) throws {
        try FilePlan(reading: inputs, writing: [destination(output, form, force: force)]).check()
    }
}

/// How a patched model is written.
struct WritingOptions: ParsableArguments {
    @Flag(help: "Copy the weight files that no patch touches; else they are linked: two names of one file.")
    var copy = false

    @Flag(help: "Say what would be written, and write nothing.")
    var dryRun = false

    /// Writes the model, or shows what that would do.
    func write(_ patched: PatchedCheckpoint, to result: ModelOutputOptions, _ printing: OutputOptions) throws {
        let untouched = copy ? UntouchedFiles.copied : .linked
        guard dryRun else {
            let rounding = try patched.write(to: result.url, overwriting: result.force, untouched: untouched)
            if let rounding, rounding.rounded > 0 { note(Self.description(of: rounding)) }
            return printing.show(try Report(patched.stack, title: result.url.lastPathComponent), quietly: result.output)
        }
        try patched.check()
        let plan = try patched.plan(untouched)
        printing.show(try Report(plan, output: result.output), quietly: "\(plan.bytes)")
    }

    private static func description(of rounding: GGUFRounding) -> String {
        """
        \(rounding.rounded) weights were rounded to what the file's types can hold, \
        \((1000 * rounding.relativeError).rounded() / 10)% of the change: ask the new model for the answers again, or run the old one with --patch or an exported adapter
        """
    }
}

struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Write a new model with patches; the old one stays as it is.")

    @OptionGroup var patches: PatchOptions

    @Flag(help: "Put the patches on a model that they were not made for, as patches of their own.")
    var transfer = false

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var writing: WritingOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        try result.check(reading: patches.patch, patching: patches.model)
        try writing.write(transfer ? transferred() : patches.patched(), to: result, printing)
    }

    private func transferred() throws -> PatchedCheckpoint {
        let checkpoint = try Checkpoint(opening: URL(filePath: patches.model))
        let moved = try patches.patch.map { path -> AppliedPatch in
            let patch = try Patch(contentsOf: URL(filePath: path))
            for rows in patch.rowsLeftOut(on: checkpoint) { note("left out: \(rows)") }
            return AppliedPatch(try patch.transferred(to: checkpoint), scale: patches.scale)
        }
        return try PatchedCheckpoint(checkpoint).adding(moved, allowingConflicts: patches.conflicts.allowConflicts)
    }
}
