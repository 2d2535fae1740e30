import ArgumentParser
import Foundation
import SutureKit

struct DetectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect",
        abstract: "Find what a code model answers wrongly in a data set, as failures for suture repair.",
        discussion: """
            DATA is CoNaLa's JSON, Shellcode_IA32's .tsv, JSON Lines of TLDR (nl, cmd), a folder of tldr pages, or NL2Bash's \
            all.nl beside its all.cm. Each intent is asked behind a few examples from the data set, which are asked themselves never. \
            Being right means that greedy decoding gives the code, and its end.

            suture detect model conala-test.json --task python -o failures.jsonl
            suture repair model --failures failures.jsonl -o fix.safetensors
            suture detect model conala-test.json --task python --patch fix.safetensors
            """)

    @OptionGroup var model: LanguageModelOptions

    @Argument(
        help: "The data set: .json, .jsonl, .tsv, a folder of tldr pages, or lines of intents beside lines of code.")
    var data: String

    @OptionGroup var tasks: TaskOptions

    @OptionGroup var chatting: ChatOptions

    @Option(help: "A patch to apply on load, or FILE@X for X times it; may be given several times.")
    var patch: [ScaledPatch] = []

    @Flag(help: "Write the first wrong token of each as the failure, with what is right before it in the prompt.")
    var firstToken = false

    @Option(help: "End with exit code 1 if a smaller share of the answers is right, such as 0.9.")
    var require: Double?

    @Option(name: .shortAndLong, help: "Where to write the failures (JSON Lines).")
    var output: String?

    @Flag(help: "Write over a file that is there.")
    var force = false

    @OptionGroup var splitting: SplitOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if let require, !(0...1).contains(require) { throw ValidationError("--require is 0...1, not \(require).") }
    }

    func run() throws {
        guard try !splitting.isHelper(model, patches: appliedPatches(patch), printing: printing) else { return }
        try FilePlan(
            reading: [model.model] + tasks.files([data]) + patch.map(\.path),
            writing: [destination(output, force: force)]
        ).check()
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let questions = try tasks.questions(of: [data], chat).flatMap(\.questions).map { try $0.failure }
        let patches = try appliedPatches(patch)
        let network = try splitting.load(model, checkpoint, patches: patches, printing: printing)
        let progress = printing.progress
        defer { progress.finish() }
        let detection = try Detection(of: questions, in: network, tokenizer, progress: progress.handler)
        progress.finish()
        let failures = try firstToken ? detection.firstTokens(tokenizer) : detection.failures
        if let output {
            try AtomicFile.write(Failure.lines(failures), to: URL(filePath: output), overwriting: force)
        }
        let isMet = require.map { detection.exactMatch >= $0 }
        let page = try Report(
            detection, title: "\(model.url.lastPathComponent) on \(URL(filePath: data).lastPathComponent)",
            isMet: isMet)
        printing.show(page, quietly: "\(detection.failures.count) of \(questions.count)")
        if let output, printing.format == .human { note("wrote \(output)") }
        guard isMet != false else { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }
}
