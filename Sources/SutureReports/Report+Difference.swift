import Foundation
import SuturePatches

extension Report {
    /// How two models differ, tensor by tensor.
    public init(_ difference: CheckpointDifference, title: String) throws {
        let facts = DifferenceFacts(
            equal: difference.equal,
            tensors: difference.tensors.map { tensor in
                DifferenceFacts.Tensor(
                    name: tensor.name, shape: tensor.shape, types: [tensor.types.0, tensor.types.1],
                    elements: tensor.elements, changed: tensor.changed, notNumbers: tensor.notNumbers,
                    norm: tensor.norm,
                    relativeNorm: tensor.relativeNorm, largest: tensor.largest, sparsity: tensor.sparsity,
                    rank: tensor.rank,
                    slices: tensor.slice == .rows ? "rows" : "columns",
                    top: tensor.top.map { DifferenceFacts.Slice(index: $0.index, norm: $0.norm) })
            }, others: difference.others)
        // Names and numbers fit a line of 80 characters; what has more to say stands below.
        let table = Table(
            columns: ["Tensor", .number("Changed"), .number("Sparsity"), .number("Norm"), .number("Rank")],
            rows: facts.tensors.map { tensor in
                [
                    .init(tensor.name), .init("\(tensor.changed)"), .init(String(format: "%.3g", tensor.sparsity)),
                    .init(String(format: "%.4g", tensor.norm)), .init(tensor.rank.map(String.init) ?? "-")
                ]
            })
        let neurons = facts.tensors.filter { !$0.top.isEmpty }.map { Fact($0.name, Self.neurons(of: $0)) }
        let odd = facts.tensors.filter { $0.notNumbers > 0 }.map {
            Fact($0.name, "\($0.notNumbers) of \($0.elements) elements, of which the norm says nothing")
        }
        let isSame = facts.tensors.isEmpty && facts.others.isEmpty
        var blocks: [Block] = facts.tensors.isEmpty ? [] : [.table(table)]
        if !neurons.isEmpty { blocks += [.heading("Most changed"), .facts(neurons)] }
        if !odd.isEmpty { blocks += [.heading("Not numbers, or infinite"), .facts(odd)] }
        if !facts.others.isEmpty {
            blocks += [.heading("Not compared"), .paragraph(facts.others.joined(separator: "\n"))]
        }
        try self.init(
            title: title,
            verdict: .init(
                .neutral,
                isSame
                    ? "The weights are the same."
                    : "\(facts.tensors.count) tensors differ, \(facts.equal) are the same."),
            schema: "suture.diff/1", data: facts, blocks: blocks)
    }

    /// `columns 3 (0.5), 17 (0.2)`
    private static func neurons(of tensor: DifferenceFacts.Tensor) -> String {
        let named = tensor.top.map { "\($0.index) (\(String(format: "%.2g", $0.norm)))" }.joined(separator: ", ")
        return "\(tensor.slices) \(named)"
    }

    /// How alike two patches are, tensor by tensor.
    public init(_ likeness: PatchLikeness, title: String) throws {
        try self.init(
            title: title,
            verdict: .init(.neutral, String(format: "Cosine of all changes: %.4f.", likeness.cosine)),
            schema: "suture.likeness/1", data: likeness,
            blocks: [
                .table(
                    .init(
                        columns: [.code("tensor"), .number("first norm"), .number("second norm"), .number("cosine")],
                        rows: likeness.tensors.map { tensor in
                            [.init(tensor.name)]
                                + (tensor.norms + [tensor.cosine]).map { .init(String(format: "%.4g", $0)) }
                        }))
            ])
    }
}

private struct DifferenceFacts: Encodable, Sendable {
    struct Slice: Encodable, Sendable {
        var index: Int
        var norm: Double
    }
    struct Tensor: Encodable, Sendable {
        var name: String
        var shape: [Int]
        var types: [String]
        var elements, changed, notNumbers: Int
        var norm, relativeNorm, largest, sparsity: Double
        var rank: Int?
        var slices: String
        var top: [Slice]
    }
    var equal: Int
    var tensors: [Tensor]
    var others: [String]
}
