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
                return .init(.neutral, String(format: "Largest: %.2f in layer %d, %@.", effect, layer, name))
            },
            schema: "suture.sweep/1", data: sweep,
            blocks: [
                .facts([
                    Fact("Prompt", sweep.prompt),
                    Fact(
                        "Source",
                        sweep.kind == .trace ? "the same, with noise on \(sweep.subject ?? "")" : sweep.source)
                ]),
                .heatmap(
                    .init(
                        caption: "Each cell: \(what)", rowTitle: "layer", rows: sweep.cells.indices.map(String.init),
                        columnTitle: columnTitle, columns: sweep.columns, cells: sweep.cells, coloring: .diverging))
            ])
    }
}
