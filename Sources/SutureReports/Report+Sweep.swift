import Foundation
import SutureSubspaces

extension Report {
    /// The heat map of a sweep.
    public init(_ sweep: SweepMap) throws {
        var facts = Self.prompts(sweep)
        if let pairs = sweep.pairs { facts.append(Fact("Pairs", "\(pairs), the first is shown")) }
        facts.append(
            sweep.kind == .trace
                ? Fact("Its probability", String(format: "%.2g", sweep.clean))
                : Fact(
                    sweep.pairs == nil ? "Clean logit difference" : "Mean clean logit difference",
                    String(format: "%.2f", sweep.clean)))
        facts += Self.runs(sweep)
        if let detail = sweep.detail { facts.append(Fact(sweep.kind == .paths ? "Receiver" : "Component", detail)) }
        if let noise = sweep.noise, let samples = sweep.samples {
            facts.append(
                Fact("Noise", "\(Numeral.short(noise)) deviations of the embeddings, drawn \(samples) times"))
        }
        try self.init(
            title: "Sweep: \(sweep.kind.rawValue)", subtitle: sweep.model, verdict: Self.verdict(sweep),
            schema: "suture.sweep/1", data: sweep,
            blocks: [
                .facts(facts),
                .heatmap(
                    .init(
                        caption: "Each cell: \(sweep.meaning)", rowTitle: sweep.rows == nil ? "layer" : "neuron",
                        rows: sweep.rows ?? sweep.cells.indices.map(String.init), columnTitle: sweep.columnTitle,
                        columns: sweep.columns, cells: sweep.cells,
                        coloring: .diverging))
            ] + (sweep.intervals == nil ? [] : [.table(Self.strongest(sweep))]))
    }

    private static func verdict(_ sweep: SweepMap) -> Verdict? {
        sweep.largest.map { row, column, effect in
            let largest =
                String(format: "Largest: %.2f", effect) + interval(sweep, row, column)
                + " in \(sweep.name(row, column))."
            // Shares of a lead that the answer does not have mean the opposite of what they seem to, and of none nothing.
            if sweep.kind != .trace, abs(sweep.clean) < 0.1, sweep.metric ?? .logitDifference == .logitDifference {
                return .init(
                    .mixed, "The model hardly prefers either answer: shares of the difference mean little. \(largest)")
            }
            return sweep.kind == .trace || sweep.clean > 0
                ? .init(.neutral, largest)
                : .init(.mixed, "The model prefers \(Visible.label(sweep.other)) on the clean prompt. \(largest)")
        }
    }

    private static func prompts(_ sweep: SweepMap) -> [Fact] {
        let isTrace = sweep.kind == .trace
        let answer = Visible.label(sweep.answer)
        return [
            Fact("Prompt", Visible.excerpt(sweep.prompt)),
            Fact(
                "Source",
                isTrace ? "the same, with noise on \(sweep.subject ?? "")" : Visible.excerpt(sweep.source)),
            Fact("Answer", isTrace ? answer : "\(answer), and not \(Visible.label(sweep.other))")
        ]
    }

    /// What the model says to both prompts.
    private static func runs(_ sweep: SweepMap) -> [Fact] {
        zip(["After the prompt", "After the source"], sweep.runs ?? []).map { name, run in
            let top = run.top.map { "\(Visible.label($0.text)) \(Numeral.percent($0.probability))" }
            return Fact(
                name,
                String(format: "logits %.2f and %.2f; says ", run.answer, run.other) + top.joined(separator: ", "))
        }
    }

    private static func strongest(_ sweep: SweepMap) -> Table {
        Table(
            caption: "The strongest, with 95% intervals over the pairs",
            columns: ["where", .number("effect"), .number("interval")],
            rows: sweep.strongest(10).map { row, column, effect in
                [
                    .init(sweep.name(row, column)), .init(String(format: "%.3f", effect)),
                    .init(interval(sweep, row, column).trimmingCharacters(in: .whitespaces))
                ]
            })
    }

    private static func interval(_ sweep: SweepMap, _ row: Int, _ column: Int) -> String {
        sweep.intervals.map { String(format: " [%.3f, %.3f]", $0[row][column].low, $0[row][column].high) } ?? ""
    }
}

extension SweepMap {
    fileprivate var columnTitle: String {
        switch kind {
        case .heads, .paths: "head"
        case .attribution where detail == Sweep.Component.heads.rawValue: "head"
        case .neurons where rows == nil: "neuron, by attribution"
        default: "token"
        }
    }

    /// A cell in words.
    fileprivate func name(_ row: Int, _ column: Int) -> String {
        if let rows { return "\(rows[row]), token \(columns[column])" }
        if let neurons { return "layer \(row), \(neurons[row][column])" }
        return "layer \(row), \(columnTitle) \(columns[column])"
    }

    /// What a cell says.
    fileprivate var meaning: String {
        let estimate = kind == .attribution ? ", a linear estimate" : ""
        let restores = direction == .denoising
        let what =
            switch metric ?? .logitDifference {
            case _ where kind == .trace: "share of the answer's probability restored"
            case .logitDifference where restores: "share of the logit difference restored"
            case .logitDifference: "share of the logit difference removed (FLDD)"
            case .probability: "change of the answer's probability"
            case .divergence: "KL divergence from the unpatched run, in nats"
            case .rank: "ranks that the answer rises"
            }
        return what + estimate
    }
}
