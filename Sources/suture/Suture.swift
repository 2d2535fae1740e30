import ArgumentParser
// For `stdout`, which is a variable in glibc.
@preconcurrency import Foundation
import SutureKit

/// `suture`: parsing and printing only; what it does is in the libraries.
struct Suture: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suture",
        abstract: "Patches for neural networks: find, apply, check and remove small changes.",
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Repair",
                subcommands: [
                    DetectCommand.self, StatisticsCommand.self, RepairCommand.self, TestCommand.self,
                    EvaluateCommand.self,
                    GenerateCommand.self,
                    ReportCommand.self
                ]),
            CommandGroup(
                name: "Patches",
                subcommands: [
                    ShowCommand.self, CheckCommand.self, ApplyCommand.self, RevertCommand.self, LogCommand.self,
                    CombineCommand.self, ExtractCommand.self, TransferCommand.self, ImportCommand.self,
                    ExportCommand.self,
                    MinimizeCommand.self, BisectCommand.self, RebaseCommand.self
                ]),
            CommandGroup(name: "Signatures", subcommands: [SignatureCommand.self]),
            CommandGroup(
                name: "Subspaces",
                subcommands: [
                    SteerCommand.self, FaithfulCommand.self, SweepCommand.self, CircuitCommand.self,
                    LensCommand.self, AttentionCommand.self,
                    ActivationsCommand.self, ReproduceCommand.self
                ]),
            CommandGroup(
                name: "Images",
                subcommands: [TrainCommand.self, ClassifyCommand.self, RobustnessCommand.self, CorruptCommand.self]),
            CommandGroup(
                name: "Models",
                subcommands: [
                    ServeCommand.self, InspectCommand.self, DiffCommand.self, ConvertCommand.self, ParityCommand.self
                ])
        ])
}

@main
enum Main {
    /// What is done before the process ends by itself; with its exit code.
    nonisolated(unsafe) static var atEnd: (Int32) -> Void = { _ in }

    /// Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 bad input file, 130 interrupted.
    static func main() {
        // A file that grows over its limit is then an error of the writing, and what is half written is removed.
        signal(SIGXFSZ, SIG_IGN)
        Signals.watch()
        do {
            var command = try Suture.parseAsRoot()
            try command.run()
            guard isPrinted else { throw cannotPrint }
            end(0)
        } catch let code as ExitCode {
            end(code.rawValue)
        } catch let error as TensorError {
            fail(error.told, error.kind.rawValue)
        } catch let error as any Diagnostic {
            fail(error.description, error.kind.rawValue)
        } catch {
            let message = Suture.fullMessage(for: error)
            let code = Suture.exitCode(for: error)
            guard code != .success else {
                print(message)
                guard isPrinted else { fail(cannotPrint.description, cannotPrint.kind.rawValue) }
                end(0)
            }
            if code == .validationFailure {
                let usage = UsageError(error, arguments: Array(CommandLine.arguments.dropFirst()))
                fail("\(usage)", DiagnosticKind.usage.rawValue)
            }
            let error = FormatError(foundation: error)
            fail(error.description, error.kind.rawValue)
        }
    }

    private static func fail(_ message: String, _ code: Int32) -> Never {
        // An error that comes of an interruption is none.
        Interruption.hold()
        note("error: \(message)")
        exitNow(code)
    }

    /// Ends at once: taking the tensor library apart takes longer than most commands, and aborts the process where one of
    /// its threads still waits for a peer.
    private static func end(_ code: Int32) -> Never {
        Interruption.hold()
        exitNow(code)
    }

    private static func exitNow(_ code: Int32) -> Never {
        atEnd(code)
        fflush(nil)
        _exit(code)
    }
}

extension TensorError {
    /// With what was being done, and what to do.
    fileprivate var told: String {
        let command = "suture \(CommandLine.arguments.dropFirst().first ?? "")"
        return switch cause {
        case .place, .peers: description
        case .memory, .notFinite: "\(command) cannot go on: \(description)"
        case .impossible:
            "\(command) cannot go on, by a fault of its own; please report it with the command and this line: \(description)"
        }
    }
}

/// Writes a line to stderr, where all but results goes; what comes from files cannot move the cursor.
func note(_ line: String) {
    // Where nothing can be said, nothing is: the exit code stands.
    try? FileHandle.standardError.write(contentsOf: Data((Terminal.visible(line) + "\n").utf8))
}

/// All of standard input.
func readInput() throws -> [UInt8] {
    do { return [UInt8](try FileHandle.standardInput.readToEnd() ?? Data()) } catch {
        throw FormatError(.cannotRead, "cannot be read", subject: "standard input")
    }
}

/// Writes a piece of a result to stdout without waiting for the rest of its line.
func showAtOnce(_ text: String) throws {
    do {
        // In a pipe it is what it is; on a terminal nothing that a model says may move the cursor.
        let shown = Terminal.isInteractive(.output) ? Terminal.visible(text) : text
        try FileHandle.standardOutput.write(contentsOf: Data(shown.utf8))
    } catch {
        throw cannotPrint
    }
}

/// Whether what was printed has gone where it should: of its last part, which is in a buffer until now, a full disk shows
/// only here; of what went before, it was noted.
private var isPrinted: Bool { fflush(nil) == 0 && ferror(stdout) == 0 }

private let cannotPrint = FormatError(.cannotWrite, "cannot be written", subject: "standard output")
