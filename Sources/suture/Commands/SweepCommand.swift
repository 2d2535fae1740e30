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
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case residual, attention, mlp, hidden, heads, neurons, attribution, paths, trace
    }

    @OptionGroup var model: ModelOptions

    @Option(help: "\(Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var kind = Kind.residual

    @Option(help: "The prompt that is run.")
    var prompt = "When Mary and John went to the store, John gave a drink to"

    @Option(help: "The prompt that lends its activations; as many tokens.")
    var source = "When John and Mary went to the store, John gave a drink to"

    @Option(help: "What the prompt should be answered with; one token, with its space.")
    var answer = " Mary"

    @Option(help: "The rival answer.")
    var other = " John"

    @Option(help: "Which component attribution estimates: residual, attention, mlp, hidden.")
    var component = "residual"

    @Option(
        help: "How many neurons of each layer are patched at the last token, the strongest by attribution (neurons).")
    var count = 8

    @Option(help: "What receives (paths): 23.4 or 23.4.keys or .values of a head, mlp.23, logits.")
    var receiver: String?

    @Option(help: "The word whose embeddings are disturbed (trace).")
    var subject: String?

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard Sweep.Component(rawValue: component) != nil else {
            throw ValidationError("--component is \(Sweep.Component.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        guard (1...1000).contains(count) else { throw ValidationError("--count is 1...1000.") }
        if kind == .paths, receiver.flatMap(Sweep.Receiver.init) == nil {
            throw ValidationError("--kind paths needs --receiver, such as 23.4, 23.4.keys, mlp.23 or logits.")
        }
        if kind == .trace, subject == nil { throw ValidationError("--kind trace needs --subject WORD.") }
    }

    private struct Result: Encodable, Sendable {
        var model, kind, prompt, source, answer, other: String
        /// Layers (rows) x positions or heads (columns).
        var cells: [[Double]]
        var columns: [String]
        var clean: Double
        /// The neurons of each row (neurons).
        var neurons: [[Neuron]]?
    }

    /// What was found, and the names of the neurons where such were patched.
    private struct Found {
        var cells: [[Double]]
        var clean: Double
        var neurons: [[Neuron]]?
    }

    func run() throws {
        try FilePlan(reading: [model.model], writing: reports.outputs).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let progress = printing.progress
        defer { progress.finish() }
        let roles = subject.map { ["subject": Prompt.Word($0)] } ?? [:]
        let pair = try TokenizedPair(
            PromptPair(base: Prompt(prompt, roles: roles), source: Prompt(source), answer: answer, other: other),
            tokenizer)
        let loaded = try model.load(checkpoint)
        progress.report(.init("sweeping", completed: 0, total: 1))
        let found = try sweep(loaded, pair, tokenizer) {
            progress.report(.init("sweeping", completed: $0, total: $1))
        }
        let cells = found.cells
        progress.finish()
        let isByHead = kind == .heads || kind == .paths
        let columnTitle = isByHead ? "head" : kind == .neurons ? "neuron, by attribution" : "token"
        let columns =
            isByHead
            ? (0..<loaded.architecture.heads).map { "\($0)" } + (kind == .paths ? ["MLP"] : [])
            : kind == .neurons
                ? (1...count).map { "\($0)" }
                : pair.base.enumerated().map { "\($0.offset) \(tokenizer.decode([$0.element]))" }
        let result = Result(
            model: model.url.lastPathComponent, kind: kind.rawValue, prompt: prompt, source: source, answer: answer,
            other: other,
            cells: cells, columns: columns, clean: found.clean, neurons: found.neurons)
        let what =
            kind == .trace
            ? "share of the answer's probability restored" : "share of the logit difference removed (FLDD)"
        let flat = cells.enumerated().flatMap { row in
            row.element.enumerated().map { (row.offset, $0.offset, $0.element) }
        }
        let best = flat.max { abs($0.2) < abs($1.2) }
        let page = try Report(
            title: "Sweep: \(kind.rawValue)", subtitle: result.model,
            verdict: best.map { layer, column, effect in
                let name = found.neurons?[layer][column].description ?? "\(columnTitle) \(columns[column])"
                return .init(.neutral, String(format: "Largest: %.2f in layer %d, %@.", effect, layer, name))
            },
            schema: "suture.sweep/1", data: result,
            blocks: [
                .facts([
                    .init("Prompt", prompt),
                    .init("Source", kind == .trace ? "the same, with noise on \(subject ?? "")" : source)
                ]),
                .heatmap(
                    .init(
                        caption: "Each cell: \(what)", rowTitle: "layer", rows: cells.indices.map(String.init),
                        columnTitle: columnTitle, columns: columns, cells: cells, coloring: .diverging))
            ])
        try reports.write(page)
        printing.show(page, quietly: best.map { "\($0.0) \($0.1) \($0.2)" } ?? "")
    }

    private func sweep(
        _ loaded: LanguageModel, _ pair: TokenizedPair, _ tokenizer: Tokenizer, _ progress: (Int, Int) -> Void
    ) throws -> Found {
        if kind == .trace {
            let last = pair.baseRoles["subject"] ?? 0
            let words = tokenizer.encode(subject ?? "").ids.count
            let trace = try CausalTrace(
                loaded, pair.base, subject: max(0, last - words + 1)..<last + 1, answer: pair.answer, progress: progress
            )
            return Found(cells: trace.restored, clean: trace.clean)
        }
        let sweep = try Sweep(loaded, pair)
        if kind == .neurons {
            let layers = 0..<loaded.architecture.layers
            let found = try layers.map { layer in
                progress(layer, layers.count)
                return try sweep.neurons(layer: layer, at: pair.base.count - 1, count: count)
            }
            return Found(
                cells: found.map { $0.map(\.effect) }, clean: sweep.clean, neurons: found.map { $0.map(\.neuron) })
        }
        let cells =
            switch kind {
            case .residual: try sweep.positions(.residual)
            case .attention: try sweep.positions(.attention)
            case .mlp: try sweep.positions(.mlp)
            case .hidden: try sweep.positions(.hidden)
            case .heads: try sweep.heads()
            case .attribution: try sweep.attributed(Sweep.Component(rawValue: component) ?? .residual)
            case .paths, .trace, .neurons:
                try sweep.paths(to: receiver.flatMap(Sweep.Receiver.init) ?? .logits, progress: progress)
            }
        return Found(cells: cells, clean: sweep.clean)
    }
}
