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
        guard Device(device) != nil else {
            throw ValidationError("--device is cpu, cuda, cuda:N or mps, not \"\(device)\".")
        }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is 1...1024, not \(threads).")
        }
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

extension ModelOptions {
    /// Loads a classifier of images, with patches applied on the way.
    func loadClassifier(_ checkpoint: Checkpoint, patches: [AppliedPatch] = []) throws -> ImageClassifier {
        let patched = try patches.isEmpty ? nil : PatchedCheckpoint(checkpoint).adding(patches)
        return try ImageClassifier.load(checkpoint, device: Device(device) ?? .cpu) { tensor, data in
            try patched?.data(for: tensor, current: data)
        }
    }
}

/// Refuses, before any work is done for it, a place where a file cannot be written or another would be lost.
func checkPlace(of path: String?, force: Bool) throws {
    guard let path else { return }
    let files = FileManager.default
    var isDirectory: ObjCBool = false
    if files.fileExists(atPath: URL(filePath: path).path, isDirectory: &isDirectory), !force || isDirectory.boolValue {
        throw FormatError(
            .alreadyExists, "this \(isDirectory.boolValue ? "directory" : "file") is there already", subject: path,
            hint: isDirectory.boolValue ? "name a file" : "--force writes over it")
    }
    let directory = URL(filePath: path).deletingLastPathComponent().path
    guard files.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue else {
        throw FormatError(.cannotWrite, "there is no such directory to write into", subject: path)
    }
    guard files.isWritableFile(atPath: directory) else {
        throw FormatError(.cannotWrite, "nothing can be written into its directory", subject: path)
    }
}
