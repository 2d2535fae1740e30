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
        case residual, attention, mlp, hidden, heads, attribution, paths, trace
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

    @Option(help: "The head whose queries receive (paths): 23.4.")
    var receiver: String?

    @Option(help: "The word whose embeddings are disturbed (trace).")
    var subject: String?

    @Option(help: "Write the report to this file: .html, .md or .json; may be repeated.")
    var report: [String] = []

    @Flag(help: "Write over files that are there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard Sweep.Component(rawValue: component) != nil else {
            throw ValidationError("--component is \(Sweep.Component.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if kind == .paths, receivingHead == nil { throw ValidationError("--kind paths needs --receiver LAYER.HEAD.") }
        if kind == .trace, subject == nil { throw ValidationError("--kind trace needs --subject WORD.") }
        try ReportFile.check(report)
    }

    private var receivingHead: Head? {
        let parts = (receiver ?? "").split(separator: ".").map { Int($0) ?? -1 }
        guard parts.count == 2, parts.allSatisfy({ $0 >= 0 }) else { return nil }
        return Head(layer: parts[0], index: parts[1])
    }

    private struct Result: Encodable, Sendable {
        var model, kind, prompt, source, answer, other: String
        /// Layers (rows) x positions or heads (columns).
        var cells: [[Double]]
        var columns: [String]
        var clean: Double
    }

    func run() throws {
        for path in report { try checkPlace(of: path, force: force) }
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
        let (cells, clean) = try sweep(loaded, pair, tokenizer) {
            progress.report(.init("sweeping", completed: $0, total: $1))
        }
        progress.finish()
        let isByHead = kind == .heads || kind == .paths
        let columns =
            isByHead
            ? (0..<loaded.architecture.heads).map { "\($0)" }
            : pair.base.enumerated().map { "\($0.offset) \(tokenizer.decode([$0.element]))" }
        let result = Result(
            model: model.url.lastPathComponent, kind: kind.rawValue, prompt: prompt, source: source, answer: answer,
            other: other,
            cells: cells, columns: columns, clean: clean)
        let what =
            kind == .trace
            ? "share of the answer's probability restored" : "share of the logit difference removed (FLDD)"
        let flat = cells.enumerated().flatMap { row in
            row.element.enumerated().map { (row.offset, $0.offset, $0.element) }
        }
        let best = flat.max { abs($0.2) < abs($1.2) }
        let page = try Report(
            title: "Sweep: \(kind.rawValue)", subtitle: result.model,
            verdict: best.map {
                .init(
                    .neutral,
                    String(
                        format: "Largest: %.2f in layer %d, %@ %@.", $0.2, $0.0, isByHead ? "head" : "token",
                        columns[$0.1]))
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
                        columnTitle: isByHead ? "head" : "token", columns: columns, cells: cells, coloring: .diverging))
            ])
        for path in report { try ReportFile.write(page, to: path, force: force) }
        printing.show(page, quietly: best.map { "\($0.0) \($0.1) \($0.2)" } ?? "")
    }

    private func sweep(
        _ loaded: LanguageModel, _ pair: TokenizedPair, _ tokenizer: Tokenizer, _ progress: (Int, Int) -> Void
    ) throws -> (cells: [[Double]], clean: Double) {
        if kind == .trace {
            let last = pair.baseRoles["subject"] ?? 0
            let words = tokenizer.encode(subject ?? "").ids.count
            let trace = try CausalTrace(
                loaded, pair.base, subject: max(0, last - words + 1)..<last + 1, answer: pair.answer, progress: progress
            )
            return (trace.restored, trace.clean)
        }
        let sweep = try Sweep(loaded, pair)
        let cells =
            switch kind {
            case .residual: try sweep.positions(.residual)
            case .attention: try sweep.positions(.attention)
            case .mlp: try sweep.positions(.mlp)
            case .hidden: try sweep.positions(.hidden)
            case .heads: try sweep.heads()
            case .attribution: try sweep.attributed(Sweep.Component(rawValue: component) ?? .residual)
            case .paths, .trace: try sweep.paths(to: receivingHead ?? Head(layer: 1, index: 0))
            }
        return (cells, sweep.clean)
    }
}
