import ArgumentParser
import Foundation
import SutureKit

struct TestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Ask a model your own test cases; exit code 1 if any answer is wrong.",
        discussion: """
            CASES has the form of a list of failures: JSON Lines with "prompt" and "expected", or .tsv with two columns. A \
            case is met if greedy decoding gives the expected answer; with --check, if a command of yours says so, and an \
            expected answer is not needed.

            suture test model cases.jsonl --patch fix.safetensors
            suture test model cases.jsonl --patch a.fix --patch b.fix --blame
            suture test model cases.jsonl --check 'python3 -m py_compile {}'
            """)

    @OptionGroup var model: LanguageModelOptions

    @Argument(help: "A file of cases: .jsonl or .tsv; - for standard input.")
    var cases: String

    @OptionGroup var chatting: ChatOptions

    @Option(help: "A patch to apply on load, or FILE@X for X times it; may be given several times.")
    var patch: [ScaledPatch] = []

    @Option(
        help: """
            A command that judges each answer: {} is replaced by the path of a file with it, and exit code 0 says that the \
            case is met.
            """)
    var check: String?

    @Flag(help: "Say of each case that is not met which patches have to go for that.")
    var blame = false

    @Option(name: [.customShort("n"), .long], help: "How many tokens an answer has at most (with --check).")
    var tokens = 128

    @OptionGroup var reports: ReportOptions

    @OptionGroup var splitting: SplitOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...100_000).contains(tokens) else { throw ValidationError("--tokens is 1...100000, not \(tokens).") }
        guard !blame || check == nil else { throw ValidationError("--blame goes without --check.") }
        guard !blame || splitting.split == nil else { throw ValidationError("--blame goes without --split.") }
        guard !blame || !patch.isEmpty else { throw ValidationError("--blame goes with --patch.") }
    }

    func run() throws {
        guard try !splitting.isHelper(model, patches: appliedPatches(patch), printing: printing) else { return }
        try FilePlan(reading: [model.model, cases] + patch.map(\.path), writing: reports.outputs).check()
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let list = try Failure.read(path: cases, chat: chat, needingAnswers: check == nil)
        let patches = try appliedPatches(patch)
        let network = try splitting.load(model, checkpoint, patches: patches, printing: printing)
        let progress = printing.progress
        defer { progress.finish() }
        let title = "\(model.url.lastPathComponent): \(URL(filePath: cases).lastPathComponent)"
        let (page, met, areAllMet): (Report, Int, Bool)
        if let check {
            let stops = tokenizer.roles.stops.union([chat?.stop].compactMap(\.self))
            let results = try judged(
                list, by: CheckProgram(command: check), stops, network, tokenizer, progress.handler)
            (page, met) = (try Report(testing: results, title: title), results.answers.count(where: \.isMet))
            areAllMet = results.areAllMet
        } else {
            let results = try Detection(of: list, in: network, tokenizer, progress: progress.handler)
            let culprits = try blame ? culprits(of: results, patches, checkpoint, tokenizer, progress.handler) : nil
            page = try Report(testing: results, culprits: culprits, title: title)
            met = results.answers.count(where: \.isRight)
            areAllMet = results.areAllRight
        }
        progress.finish()
        try reports.write(page)
        printing.show(page, quietly: "\(met) of \(list.count)")
        if printing.format == .human { noteBoundaries(of: list, isChat: chat != nil) }
        guard areAllMet else { throw ExitCode(DiagnosticKind.failed.rawValue) }
    }

    /// The patches that have to go for each case that is not met to be met, by their paths; nil for the model's own faults.
    private func culprits(
        of results: Detection, _ patches: [AppliedPatch], _ checkpoint: Checkpoint, _ tokenizer: Tokenizer,
        _ progress: ProgressHandler
    ) throws -> [[String]?] {
        let base = try model.load(checkpoint)
        return try results.failures.enumerated().map { number, failure in
            progress("looking for who is to blame", number, results.failures.count)
            let failure = try TokenizedFailure(failure, tokenizer)
            let found = try Culprits.find(among: patches.count) { kept in
                // With all of them it is known to be wrong.
                try kept.count < patches.count
                    && base.applying(kept.map { patches[$0] }, of: checkpoint).model.write(failure) == failure.answer
            }
            return found?.map { patch[$0].path }
        }
    }

    /// Gives each answer to a program, in a file of a temporary directory.
    private func judged(
        _ list: [Failure], by program: CheckProgram, _ stops: Set<Int>, _ model: LanguageModel, _ tokenizer: Tokenizer,
        _ progress: @escaping ProgressHandler
    ) throws -> JudgedAnswers {
        try TemporaryDirectory.use(in: FileManager.default.temporaryDirectory) { directory in
            let file = directory.appending(path: "answer")
            return try JudgedAnswers(
                of: list.map(\.prompt), in: model, tokenizer, stops: stops, limit: tokens, progress: progress
            ) { answer in
                try AtomicFile.write(Array(answer.utf8), to: file, overwriting: true)
                return try program.holds(for: file)
            }
        }
    }
}
