import ArgumentParser
import Foundation
import SutureKit

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Change a few weights so that a wrong answer comes out right.",
        discussion: """
            Failures come from --failures (JSON Lines with "prompt" or, for several wordings, "prompts", with "expected" and \
            perhaps "subject" and "keep", questions with answers that have to stay; or .tsv with two columns) or from --prompt \
            and --expected; several prompts are wordings with one answer. An answer that has to end somewhere says so: "ls -a\\n". Without -o nothing is written.

            suture repair model -p 'The capital of Australia is' -e ' Canberra' -o fix.safetensors
            suture repair model --failures failures.jsonl --guard cases.jsonl -o fix.safetensors --report fix.html

            With --check nobody has to know the answer: the model's own answers are run in a sandbox (bubblewrap) until one \
            passes, the model is repaired to give it, and its free answer is run again, in other words too. Lines of \
            --failures are tasks then, with "prompt", "test", perhaps "entry_point" (as HumanEval), "check", "variants" \
            (wordings to be held out) and "candidates".

            suture repair model --failures tasks.jsonl --check python -o fix.safetensors
            suture repair model -p '# Print 42, in bash:' --check 'test "$(bash answer)" = 42' -o fix.safetensors

            With --rule the failures are examples of one kind, such as a flag that changed its name. They are repaired \
            together, and others of the kind, which the repair does not see, are asked before and after: a third of the list, \
            or --unseen.

            suture repair model --rule --failures renamed.jsonl -o fix.safetensors

            Methods, and what --set sets:
            """
                + MethodName.allCases.map {
                    "\n\($0): \($0.summary)\n\($0.method.settingList.map { "  " + $0 + "\n" }.joined())"
                }.joined())

    @OptionGroup var model: LanguageModelOptions

    @OptionGroup var chatting: ChatOptions

    @Option(help: "A patch to apply on load, whose repairs have to hold; may be given several times.")
    var patch: [String] = []

    @Option(name: .shortAndLong, help: "What the model reads; may be given several times, for several wordings.")
    var prompt: [String] = []

    @Option(name: .shortAndLong, help: "What it should write next.")
    var expected: String?

    @Option(help: "The part of the prompt that the answer is about (rome, memit, alphaedit).")
    var subject: String?

    @Option(help: "A file of failures: .jsonl or .tsv; - for standard input; or a patch, for what it repaired.")
    var failures: String?

    @Option(name: .shortAndLong, help: "Where to write the patch (a safetensors file).")
    var output: String?

    @Option(help: "Where to write each repair as a patch of its own, too (a new folder): any can be taken off alone.")
    var each: String?

    @Option(help: "Where to write a report as one HTML page.")
    var report: String?

    @Option(help: ArgumentHelp("How it is repaired; the methods stand above.", valueName: "method"))
    var method = MethodName.recruit

    @Option(
        help: ArgumentHelp(
            "What the method is set to, such as factor=0.5 or layer=9,openings=3; may be repeated.",
            valueName: "name=value,..."))
    var set: [CommaList<NamedNumber>] = []

    @Option(
        help: """
            A file of texts, one on a line, that a method takes statistics of in place of a few built-in ones (gap: of the \
            first 2,000 tokens).
            """)
    var corpus: String?

    @OptionGroup var statistics: StatisticsOptions

    @Option(help: "How many failures are solved for together (not mint, gap, rome, kn).")
    var batch = 1

    @Flag(help: "The failures are examples of a rule: solve for them together, and judge it by others of the kind.")
    var rule = false

    @Option(help: "A file of failures of the kind, to judge a rule by, in place of a third of the list.")
    var unseen: String?

    @Option(
        help: ArgumentHelp(
            "Give up repairs beyond this in all: neurons=20,norm=0.05,divergence=0.001, or some of these; the norm is "
                + "relative to the changed matrices, the divergence mean KL on the guard texts.", valueName: "limits"))
    var budget: Budget?

    @Option(
        name: .customLong("guard"),
        help: "A file of cases, as of suture test, that must hold: no repair may undo an answer that is right.")
    var cases: String?

    @Option(help: "A file of texts, one on a line, that the patch should leave alone.")
    var guardTexts: String?

    @OptionGroup var limits: LimitOptions

    @OptionGroup var checking: CheckOptions

    @Flag(help: "Examine by what pathway the repair works, for the page and the JSON.")
    var pathway = false

    @Flag(help: "Print all that the page shows.")
    var verbose = false

    @Flag(help: "Write over files that are there.")
    var force = false

    @OptionGroup var splitting: SplitOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if failures == nil {
            guard !prompt.isEmpty else {
                throw ValidationError(
                    "--prompt is missing: what the model reads" + (expected == nil ? " (or --failures FILE)" : ""))
            }
            guard expected != nil || checking.check != nil else {
                throw ValidationError(
                    "--expected is missing: what the model should write next (or --check COMMAND, which judges it)")
            }
        }
        guard failures == nil || (prompt.isEmpty && expected == nil) else {
            throw ValidationError("Give either --prompt and --expected, or --failures FILE.")
        }
        guard subject == nil || !prompt.isEmpty else {
            throw ValidationError("--subject goes with --prompt; in a file each failure names its own.")
        }
        guard !prompt.contains("") else { throw ValidationError("--prompt is empty.") }
        guard Set(prompt).count == prompt.count else { throw ValidationError("--prompt is given twice with one text.") }
        guard [failures, cases, unseen].count(where: { $0 == "-" }) < 2 else {
            throw ValidationError("Only one of --failures, --guard and --unseen can be read from standard input.")
        }
        guard expected != "" else { throw ValidationError("--expected is empty.") }
        guard !pathway || splitting.split == nil else {
            throw ValidationError("--pathway looks into all layers, which no process has with --split layers.")
        }
        try statistics.check([method.method])
        do { _ = try chosenMethod } catch let error as RepairError {
            throw ValidationError("--set \(error.description)")
        }
        guard checking.test == nil || failures == nil else {
            throw ValidationError("--test goes with --prompt; in a file each task has its own.")
        }
        if let check = checking.check, failures == nil, checking.test == nil, AnswerCheck.Kind(check).needsTest {
            throw ValidationError("--test is missing: what the answer has to pass with --check \(check)")
        }
        guard checking.check == nil || subject == nil else {
            throw ValidationError("--subject goes with --expected, not with --check.")
        }
        guard !rule || (failures != nil && checking.check == nil) else {
            throw ValidationError(
                "--rule goes with --failures FILE, examples of one kind"
                    + (failures == nil ? "." : ", not with --check."))
        }
        guard !rule || method.method is any JointRepairMethod else {
            let names = MethodName.allCases.filter { $0.method is any JointRepairMethod }.map(\.rawValue)
            throw ValidationError(
                "--rule goes with methods that repair several failures together: \(names.joined(separator: ", ")).")
        }
        guard unseen == nil || rule else { throw ValidationError("--unseen goes with --rule.") }
        guard !rule || batch == 1 else {
            throw ValidationError("--batch does not go with --rule, which solves for all failures together.")
        }
        guard batch >= 1 else { throw ValidationError("--batch is at least 1, not \(batch).") }
    }

    func run() throws {
        guard try !splitting.isHelper(model, patches: appliedPatches(patch), printing: printing) else { return }
        let clock = ContinuousClock()
        let start = clock.now
        try FilePlan(
            reading: [model.model, failures, unseen, cases, corpus, guardTexts, checking.test, statistics.statistics]
                + patch,
            writing: [
                destination(output, force: force), destination(each, .folder(nil)), destination(report, force: force)
            ]
        ).check()
        let method = try chosenMethod
        let checkpoint = try model.checkpoint()
        let (chat, tokenizer) = try chatting.formats(checkpoint)
        let tasks =
            try checking.check == nil
            ? nil : checking.tasks(file: failures, prompts: prompt, expected: expected, chat)
        let judge = try checking.judge()
        let given = try tasks == nil ? list(chat) : []
        let (list, unseen) = try rule ? split(given, chat) : (given, [])
        let guardCases = try cases.map { try Failure.read(path: $0, chat: chat) } ?? []
        let texts = try guardTexts.map { try Texts.read(URL(filePath: $0)) }
        let reference = try corpus.map { try Texts.read(URL(filePath: $0)) } ?? Texts.reference
        let progress = printing.progress
        defer { progress.finish() }

        let patches = try appliedPatches(patch)
        let network = try splitting.load(model, checkpoint, patches: patches, printing: printing)
        if tasks == nil { try Repair.requireReachable(list, by: method, in: network, tokenizer) }
        let stack = try PatchedCheckpoint(checkpoint).adding(patches).stack
        var repair = try Repair(
            network, tokenizer, method: method, texts: reference,
            reserved: stack.neurons(of: network.architecture),
            statistics: statistics.source(of: checkpoint, with: patches),
            progress: progress.handler)
        repair.batch = batch
        repair.earlier = stack.repaired
        repair.guardCases = guardCases
        if let budget { repair.budget = budget }
        if let texts { repair.guardTexts = texts }
        limits.set(&repair.limits)
        let count = patches.count
        let result = try {
            let name =
                model.url.lastPathComponent
                + (count == 0 ? "" : " with \(count == 1 ? "a patch" : "\(count) patches")")
            var result =
                if let judge, let tasks {
                    try CheckedRepair(repair, by: judge, settings: checking.settings, chat: chat).run(
                        tasks, modelName: name)
                } else if rule {
                    try RuleRepair(repair).run(list, unseen: unseen, modelName: name)
                } else {
                    try repair.run(list, modelName: name)
                }
            // With the loading and the preparation: what one has waited.
            result.report.seconds = (clock.now - start) / .seconds(1)
            return result
        }()
        let pathway = try pathway(of: result, network, tokenizer, progress.handler)
        progress.finish()
        if verbose, printing.format == .human { model.noteMemory(of: network) }

        let page = try Report(result.report, pathway: pathway, isVerbose: verbose)
        if let report { try AtomicFile.write(Array(page.html().utf8), to: URL(filePath: report), overwriting: force) }
        // What is not written is not named.
        let written = result.change.isEmpty || !result.report.objections.isEmpty ? nil : output
        printing.show(page, quietly: written ?? "\(result.report.count(.fixed)) fixed")
        if printing.format == .human { noteBoundaries(of: list, isChat: chat != nil) }
        guard result.report.objections.isEmpty else {
            throw RepairError(
                .guarded, "the patch was not written: \(result.report.objections.joined(separator: "; "))",
                hint: "--max-divergence, --max-changed and --max-perplexity set the limits")
        }
        if output == nil, each == nil, !result.change.isEmpty, printing.format == .human {
            note("no patch written (give -o FILE)")
        }
        if output != nil, result.change.isEmpty, printing.format == .human {
            note("no patch written: nothing was changed")
        }
        if let output, !result.change.isEmpty {
            try result.patch(of: checkpoint, network.architecture, on: patches).write(
                to: URL(filePath: output), overwriting: force)
            if printing.format == .human { note("wrote \(output)") }
        }
        if let each, !result.change.isEmpty {
            let repairs = try result.patches(of: checkpoint, network.architecture, on: patches)
            try AtomicDirectory.write(to: URL(filePath: each)) { folder in
                for (step, patch) in zip(result.steps, repairs) {
                    let name = String(format: "failure-%03d.safetensors", (step.failures.first ?? 0) + 1)
                    try patch.write(to: folder.appending(path: name))
                }
            }
            if printing.format == .human { note("wrote \(repairs.count) patches to \(each)") }
        }
        if let error = result.report.abandoned { throw error }
    }

    /// What is to be repaired.
    private func list(_ chat: ChatFormat?) throws -> [Failure] {
        if let failures, failures != "-" {
            let url = URL(filePath: failures)
            // No text has a zero in its first bytes; the file of a patch begins with the length of its header.
            let file = try MappedFile(url)
            let isPatch = withExtendedLifetime(file) { $0.bytes.prefix(8).contains(0) }
            guard isPatch else { return try Failure.read(url, chat: chat) }
            return try Patch(contentsOf: url).requireRepaired(file: failures)
        }
        if let failures { return try Failure.read(path: failures, chat: chat) }
        let expected = expected ?? ""
        return try Failure.wordings(
            prompt.map { prompt in
                try chat?.failure([ChatMessage("user", prompt)], expected: expected, subject: subject)
                    ?? Failure(prompt: prompt, expected: expected, subject: subject)
            })
    }

    /// The examples of a rule, and what it is judged by.
    private func split(_ failures: [Failure], _ chat: ChatFormat?) throws -> (examples: [Failure], unseen: [Failure]) {
        guard let unseen else { return try RuleRepair.split(failures) }
        return (failures, try Failure.read(path: unseen, chat: chat))
    }

    /// By what pathway a repair works, where that is asked for.
    private func pathway(
        of result: Repair.Result, _ network: LanguageModel, _ tokenizer: Tokenizer,
        _ progress: ProgressHandler
    ) throws -> PatchPathway? {
        let fixed = result.report.failures.filter { $0.status == .fixed }
        guard self.pathway, !fixed.isEmpty else { return nil }
        return try PatchPathway(
            network, network.applying(result.change),
            on: .init(
                repaired: fixed.map { Failure(prompt: $0.prompt, expected: $0.expected) }, of: network, tokenizer),
            modelName: model.url.lastPathComponent, progress: progress)
    }

    private var chosenMethod: any RepairMethod {
        get throws {
            var options: [String: Double] = [:]
            for setting in set.flatMap(\.elements) {
                guard options.updateValue(setting.value, forKey: setting.name) == nil else {
                    throw RepairError(.badRequest, "this is set twice", found: setting.name)
                }
            }
            if rule, method == .recruit { options["rule"] = options["rule"] ?? 1 }
            return try method.method.setting(options)
        }
    }
}
