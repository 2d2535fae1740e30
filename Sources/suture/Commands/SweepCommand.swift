import ArgumentParser
import Foundation
import SutureKit

struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Patch one prompt from another everywhere, and draw where it matters.",
        discussion: """
            suture sweep model.gguf --kind heads \\
              --prompt 'When Mary and John went to the store, John gave a drink to' \\
              --source 'When John and Mary went to the store, John gave a drink to' --answer ' Mary' --other ' John'
            suture sweep model.gguf --kind residual --pairs pairs.jsonl --report sweep.html

            A file of pairs is JSON Lines: {"base": "...", "source": "...", "answer": " a", "other": " b"}. Prompts of \
            different length are patched at words with the same role: {"base": {"text": "...", "roles": {"subject": \
            "Rome"}}, ...}.
            """)

    @OptionGroup var model: ChangedModelOptions

    @Option(help: "\(SweepMap.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var kind = SweepMap.Kind.residual

    @Option(help: "The prompt that is run; without it an example of indirect object identification.")
    var prompt: String?

    @Option(help: "The prompt that lends its activations; as many tokens.")
    var source: String?

    @Option(help: "What the prompt should be answered with; one token, with its space.")
    var answer: String?

    @Option(help: "The rival answer.")
    var other: String?

    @Option(help: "Many pairs of prompts instead (.jsonl): the mean over them, with intervals.")
    var pairs: String?

    @Option(help: "How an effect is told: \(Sweep.Metric.allCases.map(\.rawValue).joined(separator: ", ")).")
    var metric = Sweep.Metric.logitDifference

    @Flag(help: "Patch the source from the prompt, and see where that is enough to restore the answer.")
    var denoise = false

    @Option(help: "Which component attribution estimates: residual, attention, mlp, hidden, heads. (default: residual)")
    var component: Sweep.Component?

    @Option(
        help: """
            How many neurons of each layer are patched at the last token, the strongest by attribution (neurons). (default: 8)
            """)
    var count: Int?

    @Option(
        help: ArgumentHelp(
            "A neuron to patch instead, such as mlp.20.hidden[711]; may be repeated.", valueName: "neuron"))
    var neuron: [String] = []

    @Option(help: "What receives (paths): 23.4 or 23.4.keys or .values of a head, mlp.23, logits.")
    var receiver: String?

    @Option(help: "The word whose embeddings are disturbed (trace).")
    var subject: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (1...1000).contains(count ?? 1) else { throw ValidationError("--count is 1...1000.") }
        for (option, isGiven, owner) in [
            ("--component", component != nil, SweepMap.Kind.attribution), ("--count", count != nil, .neurons),
            ("--receiver", receiver != nil, .paths), ("--subject", subject != nil, .trace)
        ] where isGiven && kind != owner {
            throw ValidationError("\(option) goes with --kind \(owner.rawValue).")
        }
        let own = [("--prompt", prompt), ("--source", source), ("--answer", answer), ("--other", other)]
        guard pairs == nil || own.allSatisfy({ $0.1 == nil }) else {
            throw ValidationError(
                "--pairs FILE holds prompts and answers: leave out --prompt, --source, --answer, --other.")
        }
        let needed = own.filter { kind != .trace || $0.0 == "--prompt" || $0.0 == "--answer" }
        if own.contains(where: { $0.1 != nil }), let missing = needed.first(where: { $0.1 == nil }) {
            throw ValidationError(
                "\(missing.0) is missing: own prompts need \(needed.map(\.0).joined(separator: ", ")).")
        }
        if kind == .paths, receiver.flatMap(Sweep.Receiver.init) == nil {
            throw ValidationError("--kind paths needs --receiver, such as 23.4, 23.4.keys, mlp.23 or logits.")
        }
        if kind == .trace, subject == nil { throw ValidationError("--kind trace needs --subject WORD.") }
        guard kind != .trace || (pairs == nil && !denoise && metric == .logitDifference) else {
            throw ValidationError(
                "--kind trace has noise instead of a source: it takes no --pairs, --denoise or --metric.")
        }
        for text in neuron where Neuron(text) == nil {
            throw ValidationError("--neuron is one such as mlp.20.hidden[711], not \"\(text)\".")
        }
        guard neuron.isEmpty || kind == .neurons else { throw ValidationError("--neuron goes with --kind neurons.") }
        guard pairs == nil || kind != .neurons || !neuron.isEmpty else {
            throw ValidationError("--kind neurons of many pairs needs --neuron: each pair has its own strongest ones.")
        }
        let isEstimated = kind == .attribution || (kind == .neurons && neuron.isEmpty)
        guard metric == .logitDifference || !isEstimated else {
            throw ValidationError("--kind \(kind.rawValue) estimates logit differences: leave out --metric.")
        }
    }

    func run() throws {
        try FilePlan(reading: model.files + [pairs], writing: reports.outputs).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let given = try pairs.map { try PromptPair.read(URL(filePath: $0)) } ?? [pair]
        // What is wrong with the prompts is said before the model is loaded.
        for pair in given { _ = try TokenizedPair(pair, tokenizer) }
        let loaded = try model.load(checkpoint)
        let sweep =
            try pairs == nil
            ? SweepMap(
                kind, of: given[0], settings, in: loaded, tokenizer, modelName: model.name, progress: progress.handler)
            : SweepMap(
                kind, of: given, settings, in: loaded, tokenizer, modelName: model.name, progress: progress.handler)
        progress.finish()
        let page = try Report(sweep)
        try reports.write(page)
        printing.show(page, quietly: sweep.largest.map { "\($0.layer) \($0.column) \($0.effect)" } ?? "")
    }

    private var settings: SweepMap.Settings {
        var settings = SweepMap.Settings()
        settings.measure = .init(metric, denoise ? .denoising : .noising)
        (settings.component, settings.count, settings.subject) = (component ?? .residual, count ?? 8, subject)
        settings.neurons = neuron.compactMap(Neuron.init)
        if let receiver = receiver.flatMap(Sweep.Receiver.init) { settings.receiver = receiver }
        return settings
    }

    /// The user's prompts, or an example.
    private var pair: PromptPair {
        let roles = subject.map { ["subject": Prompt.Word($0)] } ?? [:]
        guard let prompt, let answer else {
            return PromptPair(
                base: Prompt("When Mary and John went to the store, John gave a drink to", roles: roles),
                source: Prompt("When John and Mary went to the store, John gave a drink to"), answer: " Mary",
                other: " John")
        }
        // Tracing has neither a source nor a rival; the pair's need not differ then.
        return PromptPair(
            base: Prompt(prompt, roles: roles), source: Prompt(source ?? prompt), answer: answer,
            other: other ?? answer)
    }
}

extension SweepMap.Kind: ExpressibleByArgument {}
extension Sweep.Component: ExpressibleByArgument {}
extension Sweep.Metric: ExpressibleByArgument {}
