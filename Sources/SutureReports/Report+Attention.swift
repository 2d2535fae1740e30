import Foundation
import SutureSubspaces

extension Report {
    /// The patterns of heads.
    public init(_ view: AttentionView) throws {
        let columns = view.tokens.enumerated().map { "\($0.offset) \($0.element)" }
        let table = Table(
            caption: "From the last token, the first aside",
            columns: [
                .code("head"), .number("position"), .code("token"), .number("weight"), .number("on the first token")
            ],
            rows: view.strongest.map { target in
                [
                    .init(target.head.description), .init("\(target.position)"), .init(Visible.token(target.token)),
                    .init(String(format: "%.3f", target.weight)), .init(String(format: "%.3f", target.first))
                ]
            })
        try self.init(
            title: "Attention", subtitle: view.model, schema: "suture.attention/1", data: view,
            blocks: [.facts([Fact("Prompt", Visible.excerpt(view.prompt))]), .table(table)]
                + view.patterns.map { pattern in
                    .heatmap(
                        .init(
                            caption: "Head \(pattern.head): how much each token (row) attends to each (column)",
                            rowTitle: "from", rows: columns, columnTitle: "to", columns: columns,
                            cells: pattern.weights.enumerated().map { row, weights in
                                // A token sees nothing behind it: a gap, not a weight of 0.
                                weights.enumerated().map { $0.offset <= row ? $0.element : .nan }
                            }, coloring: .sequential))
                })
    }
}
