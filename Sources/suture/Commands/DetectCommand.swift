import ArgumentParser
import Foundation
import SutureKit

struct DetectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect",
        abstract: "Find what a code model answers wrongly in a data set, as failures for suture repair.",
        discussion: """
            DATA is CoNaLa's JSON, Shellcode_IA32's .tsv, JSON Lines of TLDR (nl, cmd), or NL2Bash's all.nl with --codes \
            all.cm. Each intent is asked behind a few examples from the data set, which are asked themselves never. \
            Being right means that the model writes the code, and its end, freely.

            suture detect model conala-test.json --task python -o failures.jsonl
            suture repair model --failures failures.jsonl -o fix.safetensors
            suture detect model conala-test.json --task python --patch fix.safetensors
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "The data set: .json, .jsonl, .tsv, or lines of intents with --codes.")
    var data: String

    @Option(help: "The file with the code for each line of intents.")
    var codes: String?

    @Option(help: "How intents are put: \(Task.allCases.map(\.rawValue).joined(separator: ", ")).")
    var task = Task.bash

    @Option(help: "A frame of your own, such as 'Q: {intent}\\nA: {code}\\n\\n'.")
    var frame: String?

    @Option(help: "How many examples stand before an intent.")
    var shots = 3

    @Option(help: "How many intents are asked.")
    var limit = 100

    @Option(help: "Which intents are asked, and which are examples.")
    var seed: UInt64 = 0

    @Option(help: "A patch to apply on load; may be given several times.")
    var patch: [String] = []

    @Flag(help: "Write the first wrong token of each as the failure, with what is right before it in the prompt.")
    var firstToken = false

    @Option(name: .shortAndLong, help: "Where to write the failures (JSON Lines).")
    var output: String?

    @Flag(help: "Write over a file that is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    enum Task: String, ExpressibleByArgument, CaseIterable {
        case bash, python, shellcode

        var frame: Frame {
            switch self {
            case .bash: .bash
            case .python: .python
            case .shellcode: .shellcode
            }
        }
    }

    func validate() throws {
        guard (0...64).contains(shots) else { throw ValidationError("--shots is 0...64, not \(shots).") }
        guard limit > 0 else { throw ValidationError("--limit is 1 or more, not \(limit).") }
    }

    func run() throws {
        try checkPlace(of: output, force: force)
        let set = try TaskSet(contentsOf: URL(filePath: data), codes: codes.map { URL(filePath: $0) })
        let frame = try frame.map { try Frame($0) } ?? task.frame
        let questions = try set.questions(frame, shots: shots, limit: limit, seed: seed)
        if set.skipped > 0 { note("left out: \(set.skipped) entries that are empty or repeat an intent") }
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0))) }
        let network = try model.load(checkpoint, patches: patches)
        let progress = printing.progress
        defer { progress.finish() }
        let detection = try Detection(of: questions, in: network, tokenizer) {
            progress.report(.init("asking", completed: $0, total: $1))
        }
        progress.finish()
        let failures = firstToken ? detection.firstTokens(tokenizer) : detection.failures
        if let output {
            try AtomicFile.write(Failure.lines(failures), to: URL(filePath: output), overwriting: force)
        }
        let page = try Report(
            detection, title: "\(model.url.lastPathComponent) on \(URL(filePath: data).lastPathComponent)")
        printing.show(page, quietly: "\(detection.failures.count) of \(questions.count)")
        if let output, printing.format == .human { note("wrote \(output)") }
    }
}
