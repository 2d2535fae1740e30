import ArgumentParser
import Foundation
import SutureKit

/// A command of the user's that says by its exit code whether something holds.
struct CheckProgram {
    let command: String

    /// Runs the command by the shell with `{}` replaced by a path; exit code 0 says that it holds.
    func holds(for url: URL) throws -> Bool {
        let path = "'" + url.path.replacingOccurrences(of: "'", with: "'\\''") + "'"
        var process = ChildProcess("/bin/sh", ["-c", command.replacingOccurrences(of: "{}", with: path)])
        // What it prints is no result of ours.
        (process.output, process.errors) = (.descriptor(STDERR_FILENO), .descriptor(STDERR_FILENO))
        switch try process.run() {
        case .exited(let code) where ![126, 127].contains(code): return code == 0
        case let ending:
            throw PatchError(
                .checkFailed, "the check command could not be run", subject: command, found: "\(ending)",
                hint: "it says by exit code 0 that the check holds")
        }
    }
}

struct MinimizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "minimize", abstract: "Leave out of a patch what a check does not need.",
        discussion: """
            The command is run with {} replaced by the path of a smaller patch; exit code 0 says that the check holds.

            suture minimize fix.safetensors -o small.safetensors \\
              --check 'suture generate model --patch {} -p "The capital of Australia is" | grep -q Canberra'
            """)

    @Argument(help: "A patch file.")
    var patch: String

    @Option(help: "The command that must hold.")
    var check: String

    @OptionGroup var result: PatchOutputOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        try result.check(reading: [patch])
        let patch = try Patch(contentsOf: URL(filePath: patch))
        let program = CheckProgram(command: check)
        let minimization = try TemporaryDirectory.use(in: FileManager.default.temporaryDirectory) { directory in
            let candidate = directory.appending(path: "candidate.safetensors")
            return try Minimization(of: patch) { smaller in
                try smaller.write(to: candidate, overwriting: true)
                return try program.holds(for: candidate)
            }
        }
        try result.write(minimization.patch, printing, making: PatchMaking(minimization))
    }
}

struct BisectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bisect", abstract: "Find which patch of a model broke a check.",
        discussion: """
            The command is run with {} replaced by the directory of the model with some of its patches; exit code 0 says \
            that the check holds. Weight files that no patch touches are linked.
            """)

    @Argument(help: "A patched snapshot directory.")
    var model: String

    @Option(help: "The command that held before.")
    var check: String

    @OptionGroup var printing: OutputOptions

    func run() throws {
        let program = CheckProgram(command: check)
        let url = URL(filePath: model)
        let patched = try PatchedCheckpoint(Checkpoint(url))
        let parent = url.standardizedFileURL.deletingLastPathComponent()
        // Beside the model, where files can be linked.
        let found = try TemporaryDirectory.use(in: parent) { directory in
            try Bisection(of: patched) { candidate in
                let model = directory.appending(path: "model")
                try candidate.write(to: model, overwriting: true)
                return try program.holds(for: model)
            }
        }
        printing.show(try Report(found, title: url.lastPathComponent), quietly: found.patch.patch.id)
    }
}
