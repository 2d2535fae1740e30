import ArgumentParser
import Foundation
import SutureKit

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case human, json, quiet
}

/// How many threads work, which every command takes.
struct ThreadOptions: ParsableArguments {
    @Option(help: "How many threads may work at once; as many as there are cores if not given.")
    var threads: Int?

    func validate() throws {
        guard let threads else { return }
        guard (1...1024).contains(threads) else {
            throw ValidationError("--threads is 1...1024, not \(threads).")
        }
        // Here, so that no command can forget it.
        Runtime.threads = threads
        Parallel.limit = threads
    }
}

/// What most commands take: how results are printed, and how many threads work on them.
struct OutputOptions: ParsableArguments {
    @Option(help: "How results are printed: \(OutputFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var format = OutputFormat.human

    @OptionGroup var work: ThreadOptions

    var threads: Int? { work.threads }

    /// Prints a report in the format that was asked for; `quietly` is what is left of it in a pipe.
    func show(_ report: Report, quietly line: String) {
        switch format {
        case .human:
            print(report.terminal(width: Terminal.width, style: .automatic(for: .output)))
        case .json:
            print(report.json, terminator: "")
        case .quiet:
            // In a pipe it is what it is; on a terminal nothing that comes from a file may move the cursor.
            print(Terminal.isInteractive(.output) ? Terminal.visible(line) : line)
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

    var url: URL { URL(filePath: model) }

    func validate() throws {
        guard Device(device) != nil else {
            throw ValidationError("--device is cpu, cuda, cuda:N or mps, not \"\(device)\".")
        }
    }

    func checkpoint() throws -> Checkpoint { try Checkpoint(opening: url) }
}

/// Whether a language model is asked in its chat format.
struct ChatOptions: ParsableArguments {
    @Flag(help: "Ask as in a conversation, with the model's own chat template: a prompt is what the user says.")
    var chat = false

    /// The chat format, if it was asked for, and the tokenizer to use.
    func formats(_ checkpoint: Checkpoint, isChat: Bool? = nil) throws -> (chat: ChatFormat?, tokenizer: Tokenizer) {
        let tokenizer = try Tokenizer(checkpoint)
        guard isChat ?? chat else { return (nil, tokenizer) }
        let format = try ChatFormat(checkpoint, tokenizer)
        return (format, format.tokenizer)
    }
}

extension ModelOptions {
    /// Loads a classifier of images, with patches applied on the way.
    func loadClassifier(_ checkpoint: Checkpoint, patches: [AppliedPatch] = []) throws -> ImageClassifier {
        try ImageClassifier.load(checkpoint, device: Device(device) ?? .cpu, patches: patches)
    }
}

extension Checkpoint {
    /// Opens a model, and says what is odd about its files.
    init(opening url: URL) throws {
        try self.init(url)
        for notice in notices { note(notice) }
    }
}

extension FilePlan {
    /// The plan of a command; what was not given is left out.
    init(reading inputs: [String?], writing outputs: [Output?]) {
        self.init(
            reading: inputs.compactMap { $0.map { URL(filePath: $0) } }, writing: outputs.compactMap(\.self))
    }
}

/// The patches of some files.
func appliedPatches(_ files: [String], scale: Double = 1) throws -> [AppliedPatch] {
    try files.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0)), scale: scale) }
}

/// The same of files with scales of their own, which are multiplied with `scale`.
func appliedPatches(_ patches: [ScaledPatch], scale: Double = 1) throws -> [AppliedPatch] {
    try patches.map { try $0.applied(scale: scale) }
}

/// A patch file and how much of it: `FILE`, `FILE@X` or `FILE=X`.
struct ScaledPatch: ExpressibleByArgument {
    let path: String
    let scale: Double

    init(argument: String) {
        let parts = argument.split(omittingEmptySubsequences: false) { $0 == "@" || $0 == "=" }
        if parts.count > 1, let last = parts.last, let scale = Double(last), scale.isFinite,
            !FileManager.default.fileExists(atPath: argument)
        {
            (path, self.scale) = (String(argument.dropLast(last.count + 1)), scale)
        } else {
            (path, scale) = (argument, 1)
        }
    }

    func applied(scale more: Double = 1) throws -> AppliedPatch {
        if scale == 1, let sign = path.lastIndex(of: "@"), !FileManager.default.fileExists(atPath: path),
            FileManager.default.fileExists(atPath: String(path[..<sign]))
        {
            throw PatchError(
                .badScale, "a scale is a finite number", subject: path, expected: "such as \(path[..<sign])@0.5",
                found: String(path[path.index(after: sign)...]))
        }
        return AppliedPatch(try Patch(contentsOf: URL(filePath: path)), scale: scale * more)
    }
}

/// Where a command writes; nil without a path, and an empty one is an error.
func destination(_ path: String?, _ form: FilePlan.Form = .file, force: Bool = false) throws -> FilePlan.Output? {
    guard let path else { return nil }
    guard !path.isEmpty else {
        throw FormatError(.badPlace, "this is no name of a file", subject: "\"\"", hint: "name a file")
    }
    return .init(URL(filePath: path), form, isForced: force)
}
