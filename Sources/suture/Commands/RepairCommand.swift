import ArgumentParser
import Foundation
import SutureKit

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Change a few weights so that a wrong answer comes out right.",
        discussion: """
            Failures come from --failures (JSON Lines with "prompt", "expected" and perhaps "subject", or .tsv with two \
            columns) or from --prompt and --expected. An answer that has to end somewhere says so: "ls -a\\n".

            suture repair model -p 'The capital of Australia is' -e ' Canberra' -o fix.safetensors
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "A patch to apply on load, whose repairs have to hold; may be given several times.")
    var patch: [String] = []

    @Option(name: .shortAndLong, help: "What the model reads.")
    var prompt: String?

    @Option(name: .shortAndLong, help: "What it should write next.")
    var expected: String?

    @Option(help: "The part of the prompt that the answer is about (rome, memit, alphaedit).")
    var subject: String?

    @Option(help: "A file of failures: .jsonl or .tsv.")
    var failures: String?

    @Option(name: .shortAndLong, help: "Where to write the patch (a safetensors file).")
    var output: String?

    @Option(help: "Where to write each repair as a patch of its own, too (a new folder): any can be taken off alone.")
    var each: String?

    @Option(help: "Where to write a report as one HTML page.")
    var report: String?

    @Option(
        help: ArgumentHelp(
            MethodName.allCases.map { "\($0): \($0.summary)" }.joined(separator: "; ") + ".", valueName: "method"))
    var method = MethodName.recruit

    @Option(
        help: """
            How far above every other token the target should lie, in logits (recruit, gap, astra; recruit adds a third of \
            the gap).
            """)
    var margin: Double?

    @Option(help: "The patch factor f (mint).")
    var factor: Double?

    @Option(help: "The layer that is edited, or the lowest of them (rome, memit, alphaedit, ft).")
    var layer: Int?

    @Flag(help: "Edit as the published code does, not in its corrected form (rome).")
    var original = false

    @Option(
        help: """
            A file of texts, one on a line, that a method takes statistics of in place of a few built-in ones (gap: of the \
            first 2,000 tokens).
            """)
    var corpus: String?

    @Option(help: "How many failures are solved for together (not mint, gap, rome, kn).")
    var batch = 1

    @Option(
        help: ArgumentHelp(
            "Give up repairs beyond this in all: neurons=20,norm=0.05,divergence=0.001, or some of these; the norm is "
                + "relative to the changed matrices, the divergence mean KL on the guard texts.", valueName: "limits"))
    var budget: Budget?

    @Option(help: "A file of texts, one on a line, that the patch should leave alone.")
    var guardTexts: String?

    @Option(help: "Refuse a patch that diverges more: mean KL in nats a token.")
    var maxDivergence: Double?

    @Option(help: "Refuse a patch that changes a larger share of the most likely tokens, 0...1.")
    var maxChanged: Double?

    @Option(help: "Refuse a patch that raises perplexity on built-in held-out text by a larger factor, such as 1.01.")
    var maxPerplexity: Double?

    @Flag(help: "Write over files that are there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (prompt == nil) == (expected == nil) else {
            throw ValidationError("--prompt and --expected go together.")
        }
        guard (prompt == nil) != (failures == nil) else {
            throw ValidationError("Give either --prompt and --expected, or --failures FILE.")
        }
        guard subject == nil || prompt != nil else {
            throw ValidationError("--subject goes with --prompt; in a file each failure names its own.")
        }
        guard prompt != "" else { throw ValidationError("--prompt is empty.") }
        guard expected != "" else { throw ValidationError("--expected is empty.") }
        if let margin, !(0...100).contains(margin) { throw ValidationError("--margin is 0...100, not \(margin).") }
        if let factor, !(factor > 0 && factor <= 100) {
            throw ValidationError("--factor is above 0 and at most 100, not \(factor).")
        }
        let owners: [(option: String, isGiven: Bool, methods: [MethodName])] = [
            ("--margin", margin != nil, [.recruit, .gap, .astra]), ("--factor", factor != nil, [.mint]),
            ("--layer", layer != nil, [.rome, .memit, .alphaedit, .ft]), ("--original", original, [.rome])
        ]
        if let owner = owners.first(where: { $0.isGiven && !$0.methods.contains(method) }) {
            let names = owner.methods.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\(owner.option) is for \(names), not for \(method.rawValue).")
        }
        guard batch >= 1 else { throw ValidationError("--batch is at least 1, not \(batch).") }
        if let maxDivergence, !(maxDivergence >= 0) { throw ValidationError("--max-divergence is not negative.") }
        if let maxChanged, !(0...1).contains(maxChanged) {
            throw ValidationError("--max-changed is 0...1, not \(maxChanged).")
        }
        if let maxPerplexity, !(maxPerplexity > 0) { throw ValidationError("--max-perplexity is above 0.") }
    }

    func run() throws {
        try FilePlan(
            reading: [model.model, failures, corpus, guardTexts] + patch,
            writing: [
                destination(output, force: force), destination(each, .folder(nil)), destination(report, force: force)
            ]
        ).check()
        let list =
            try failures.map { try Failure.read(URL(filePath: $0)) } ?? [
                Failure(prompt: prompt ?? "", expected: expected ?? "", subject: subject)
            ]
        let texts = try guardTexts.map { try Texts.read(URL(filePath: $0)) }
        let reference = try corpus.map { try Texts.read(URL(filePath: $0)) } ?? Texts.reference
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }

        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0))) }
        let network = try model.load(checkpoint, patches: patches)
        try Repair.requireReachable(list, by: chosenMethod, in: network, tokenizer)
        let stack = try PatchedCheckpoint(checkpoint).adding(patches).stack
        var repair = try Repair(
            network, tokenizer, method: chosenMethod, texts: reference,
            reserved: stack.neurons(of: network.architecture), cache: StatisticsCache(of: checkpoint, with: patches)
        ) { activity, done, total in
            progress.report(.init(activity, completed: done, total: total))
        }
        repair.batch = batch
        repair.earlier = stack.repaired
        if let budget { repair.budget = budget }
        if let texts { repair.guardTexts = texts }
        if let maxDivergence { repair.limits.maximumDivergence = maxDivergence }
        if let maxChanged { repair.limits.maximumChangedTop = maxChanged }
        if let maxPerplexity { repair.limits.maximumPerplexityRatio = maxPerplexity }
        let result = try repair.run(list, modelName: model.url.lastPathComponent)
        let pathway = try pathway(of: result, network, tokenizer) {
            progress.report(.init("examining the pathway", completed: $0, total: $1))
        }
        progress.finish()

        let page = try Report(result.report, pathway: pathway)
        if let report { try AtomicFile.write(Array(page.html().utf8), to: URL(filePath: report), overwriting: force) }
        printing.show(page, quietly: output ?? "\(result.report.count(.fixed)) fixed")
        guard result.report.objections.isEmpty else {
            throw RepairError(
                .guarded, "the patch was not written: \(result.report.objections.joined(separator: "; "))",
                hint: "--max-divergence, --max-changed and --max-perplexity set the limits")
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

    /// By what pathway a repair works, where a page is asked for to say it on.
    private func pathway(
        of result: Repair.Result, _ network: LanguageModel, _ tokenizer: Tokenizer,
        _ progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> PatchPathway? {
        let fixed = result.report.failures.filter { $0.status == .fixed }
        guard report != nil, !fixed.isEmpty else { return nil }
        return try PatchPathway(
            network, network.applying(result.change),
            on: .init(
                repaired: fixed.map { Failure(prompt: $0.prompt, expected: $0.expected) }, of: network, tokenizer),
            modelName: model.url.lastPathComponent, progress: progress)
    }

    private var chosenMethod: any RepairMethod {
        switch method {
        case .recruit:
            var recruit = Recruit()
            if let margin { recruit.margin = margin }
            return recruit
        case .gap:
            var step = GapStep()
            if let margin { step.margin = margin }
            return step
        case .mint:
            var mint = MINT()
            if let factor { mint.factor = factor }
            return mint
        case .astra:
            var astra = ASTRA()
            if let margin { astra.margin = margin }
            return astra
        case .rome:
            var rome = ROME()
            (rome.layer, rome.original) = (layer, original)
            return rome
        case .memit:
            var memit = MEMIT()
            memit.layer = layer
            return memit
        case .alphaedit:
            var edit = AlphaEdit()
            edit.layer = layer
            return edit
        case .ft:
            var tuning = FineTuning()
            tuning.layer = layer
            return tuning
        default: return method.method
        }
    }
}

extension MethodName: ExpressibleByArgument {}

extension Budget: ExpressibleByArgument {
    /// `neurons=20,norm=0.05,divergence=0.001`, or some of these.
    public init?(argument: String) {
        self.init()
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, let value = Double(sides[1]), value >= 0, value.isFinite else { return nil }
            switch sides[0] {
            case "neurons":
                guard let count = Int(sides[1]) else { return nil }
                neurons = count
            case "norm": norm = value
            case "divergence": divergence = value
            default: return nil
            }
        }
    }
}
