import ArgumentParser
import Foundation
import SutureKit

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case human, json, quiet
}

struct OutputOptions: ParsableArguments {
    @Option(help: "How results are printed: \(OutputFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = OutputFormat.human

    /// Prints a report in the format that was asked for; `quietly` is what is left of it in a pipe.
    func show(_ report: Report, quietly line: String) {
        switch format {
        case .human:
            print(report.terminal(width: Terminal.width, style: .automatic(for: .output)))
        case .json:
            print(report.json, terminator: "")
        case .quiet:
            print(line)
        }
    }

    var progress: ProgressReporter { ProgressReporter(isQuiet: format == .quiet) }
}

/// The model a command works on, and how it computes.
struct ModelOptions: ParsableArguments {
    @Argument(help: "A snapshot directory (config.json, safetensors) or a GGUF file.")
    var model: String

    @Option(help: "Where to compute: cpu, cuda, cuda:1, mps.")
    var device = "cpu"

    @Option(help: "How many threads an operator may use.")
    var threads: Int?

    var url: URL { URL(filePath: model) }

    func validate() throws {
        guard Device(device) != nil else { throw ValidationError("--device is cpu, cuda, cuda:N or mps, not \"\(device)\".") }
        if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads is 1...1024, not \(threads).") }
    }

    func checkpoint() throws -> Checkpoint {
        if let threads { Runtime.threads = threads }
        return try Checkpoint(url)
    }

    /// Loads the model, with patches applied on the way.
    func load(_ checkpoint: Checkpoint, patches: [AppliedPatch] = []) throws -> LanguageModel {
        let patched = try patches.isEmpty ? nil : PatchedCheckpoint(checkpoint).adding(patches)
        return try LanguageModel.load(checkpoint, device: Device(device) ?? .cpu) { tensor, data in
            try patched?.data(for: tensor, current: data)
        }
    }
}

/// Refuses to write over a file that is there.
func refuseOverwriting(_ path: String?, force: Bool) throws {
    guard let path, !force, FileManager.default.fileExists(atPath: path) else { return }
    throw FormatError(.alreadyExists, "this file is there already", subject: path, hint: "--force writes over it")
}
