import Foundation
import SutureCore
import SutureSubspaces

extension Report {
    /// The curve of a circuit's faithfulness, and the edges that it is made of.
    public init(_ circuit: CircuitReport) throws {
        try self.init(
            title: "Circuit", subtitle: circuit.model, verdict: Self.verdict(circuit), schema: "suture.circuit/1",
            data: circuit,
            blocks: [
                .facts(Self.facts(circuit)), .onPages([.plot(Self.curve(circuit))]), .table(Self.points(circuit)),
                .table(Self.strongest(circuit)), .onPages([.heatmap(Self.flow(circuit))]),
                .paragraph(
                    "Faithfulness: how much of the difference that corrupting the prompt makes to the logit difference of answer "
                        + "and rival a circuit keeps, when all edges outside of it carry what they carry in the corrupted prompt. CPR "
                        + "is the area under its curve over the shares of edges, CMD the area between the curve and 1 (Mueller et al. "
                        + "2025): a circuit that does what the model does has a CMD near 0; a CPR above 1 leaves out edges that work "
                        + "against the answer.")
            ])
    }

    private static func verdict(_ circuit: CircuitReport) -> Verdict {
        let isBetter = circuit.cmd.high < circuit.control.cmd.low
        return Verdict(
            isBetter ? .neutral : .mixed,
            "CPR \(interval(circuit.cpr)), CMD \(interval(circuit.cmd)); of edges in random order CPR "
                + "\(interval(circuit.control.cpr)), CMD \(interval(circuit.control.cmd)).")
    }

    private static func facts(_ circuit: CircuitReport) -> [Fact] {
        let method =
            switch circuit.method {
            case .eap: "edge attribution patching (eap)"
            case .eapIG: "edge attribution patching, integrated gradients of \(circuit.steps ?? 0) steps (eap-ig)"
            case .exact: "each edge patched by itself (exact)"
            }
        let choice =
            switch circuit.choice {
            case .top: "the largest, whatever their sign (top)"
            case .greedy: "from the output backwards (greedy)"
            }
        return [
            Fact("Prompt", Visible.excerpt(circuit.prompt)), Fact("Corrupted", Visible.excerpt(circuit.source)),
            Fact("Answer", "\(Visible.label(circuit.answer)), and not \(Visible.label(circuit.other))"),
            Fact("Scores", method), Fact("Edges of a circuit", choice), Fact("Edges of the model", "\(circuit.edges)"),
            Fact(
                "Pairs",
                circuit.isHeldOut
                    ? "\(circuit.pairs) to score edges, \(circuit.testPairs) others to measure circuits"
                    : "\(circuit.pairs), to score edges and to measure circuits on"),
            Fact("Clean logit difference", interval(circuit.clean)),
            Fact("Corrupted logit difference", interval(circuit.corrupted))
        ]
    }

    private static func interval(_ estimate: Estimate) -> String {
        String(format: "%.3f [%.3f, %.3f]", estimate.value, estimate.low, estimate.high)
    }

    private static func curve(_ circuit: CircuitReport) -> Plot {
        let control = zip(circuit.points, circuit.control.faithfulness)
        return Plot(
            caption: "Faithfulness of circuits by their share of edges, with 95% intervals over the pairs",
            x: .init("share of edges", isLogarithmic: true), y: .init("faithfulness"),
            series: [
                .init(
                    "circuit",
                    points: circuit.points.map {
                        .init($0.fraction, $0.faithfulness.value, low: $0.faithfulness.low, high: $0.faithfulness.high)
                    }, isLine: true),
                .init("edges in random order", points: control.map { .init($0.fraction, $1) }, isLine: true)
            ])
    }

    private static func points(_ circuit: CircuitReport) -> Table {
        Table(
            caption: "Connected edges lead from the input to the output; others have no effect",
            columns: [
                .number("share of edges"), .number("edges"), .number("connected"), .number("faithfulness"),
                .number("random order")
            ],
            rows: zip(circuit.points, circuit.control.faithfulness).map { point, control in
                [
                    .init(Numeral.percent(point.fraction)), .init("\(point.edges)"), .init("\(point.connected)"),
                    .init(interval(point.faithfulness)), .init(String(format: "%.3f", control))
                ]
            })
    }

    private static func strongest(_ circuit: CircuitReport) -> Table {
        Table(
            caption: "The strongest edges: what corrupting each does to the logit difference",
            columns: [.code("edge"), .number("score")],
            rows: circuit.strongest.prefix(20).map { [.init($0.edge), .init(String(format: "%.4f", $0.score))] })
    }

    private static func flow(_ circuit: CircuitReport) -> Heatmap {
        let layers = (0..<circuit.flow.count - 1).map(String.init)
        return Heatmap(
            caption: "The sum of the sizes of scores, from the parts of one layer (columns) to those of another (rows)",
            rowTitle: "to", rows: layers + ["output"], columnTitle: "from", columns: ["input"] + layers,
            cells: circuit.flow.enumerated().map { row, cells in
                // A layer reads those before it and itself.
                cells.enumerated().map { $0.offset <= row + 1 ? $0.element : .nan }
            }, coloring: .sequential)
    }
}
