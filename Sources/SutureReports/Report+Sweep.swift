import Foundation
import SutureSubspaces

extension Report {
    /// The heat map of a sweep.
    public init(_ sweep: SweepMap) throws {
        let columnTitle =
            switch sweep.kind {
            case .heads, .paths: "head"
            case .neurons: "neuron, by attribution"
            default: "token"
            }
        let what =
            sweep.kind == .trace
            ? "share of the answer's probability restored" : "share of the logit difference removed (FLDD)"
        try self.init(
            title: "Sweep: \(sweep.kind.rawValue)", subtitle: sweep.model,
            verdict: sweep.largest.map { layer, column, effect in
                let name = sweep.neurons?[layer][column].description ?? "\(columnTitle) \(sweep.columns[column])"
                let largest = String(format: "Largest: %.2f in layer %d, %@.", effect, layer, name)
                // Shares of a lead that the answer does not have mean the opposite of what they seem to.
                return sweep.kind == .trace || sweep.clean > 0
                    ? .init(.neutral, largest)
                    : .init(.mixed, "The model prefers \(Visible.label(sweep.other)) on the clean prompt. \(largest)")
            },
            schema: "suture.sweep/1", data: sweep,
            blocks: [
                .facts([
                    Fact("Prompt", Visible.excerpt(sweep.prompt)),
                    Fact(
                        "Source",
                        sweep.kind == .trace
                            ? "the same, with noise on \(sweep.subject ?? "")" : Visible.excerpt(sweep.source)),
                    Fact(
                        "Answer",
                        sweep.kind == .trace
                            ? Visible.label(sweep.answer)
                            : "\(Visible.label(sweep.answer)), and not \(Visible.label(sweep.other))"),
                    sweep.kind == .trace
                        ? Fact("Its probability", String(format: "%.2g", sweep.clean))
                        : Fact("Clean logit difference", String(format: "%.2f", sweep.clean))
                ]),
                .heatmap(
                    .init(
                        caption: "Each cell: \(what)", rowTitle: "layer", rows: sweep.cells.indices.map(String.init),
                        columnTitle: columnTitle, columns: sweep.columns, cells: sweep.cells, coloring: .diverging))
            ])
    }
}
