import ArgumentParser
import Foundation
import SutureKit

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Say how two models differ, tensor by tensor.")

    @Argument(help: "A model: a snapshot directory or a GGUF file.")
    var first: String

    @Argument(help: "Another one.")
    var second: String

    @Option(help: "Tell the rank of each difference within this error, as a fraction of its norm.")
    var rank: Double?

    @Option(help: "How many columns or rows (neurons) of each matrix are named.")
    var top = 3

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if let rank, !(rank >= 0 && rank < 1) { throw ValidationError("--rank is 0 or more, below 1, not \(rank).") }
        guard 0...1000 ~= top else { throw ValidationError("--top is 0...1000, not \(top).") }
    }

    private struct Facts: Encodable, Sendable {
        struct Slice: Encodable, Sendable {
            var index: Int
            var norm: Double
        }
        struct Tensor: Encodable, Sendable {
            var name: String
            var shape: [Int]
            var types: [String]
            var elements, changed: Int
            var norm, relativeNorm, largest, sparsity: Double
            var rank: Int?
            var slices: String
            var top: [Slice]
        }
        var equal: Int
        var tensors: [Tensor]
        var others: [String]
    }

    func run() throws {
        let difference = try CheckpointDifference(
            Checkpoint(opening: URL(filePath: first)), Checkpoint(opening: URL(filePath: second)), rankTolerance: rank,
            topCount: top)
        let facts = Facts(
            equal: difference.equal,
            tensors: difference.tensors.map { tensor in
                Facts.Tensor(
                    name: tensor.name, shape: tensor.shape, types: [tensor.types.0, tensor.types.1],
                    elements: tensor.elements, changed: tensor.changed, norm: tensor.norm,
                    relativeNorm: tensor.relativeNorm, largest: tensor.largest, sparsity: tensor.sparsity,
                    rank: tensor.rank,
                    slices: tensor.slice == .rows ? "rows" : "columns",
                    top: tensor.top.map { Facts.Slice(index: $0.index, norm: $0.norm) })
            }, others: difference.others)
        // Names and numbers fit a line of 80 characters; what has more to say stands below.
        let table = Report.Table(
            columns: ["Tensor", .number("Changed"), .number("Sparsity"), .number("Norm"), .number("Rank")],
            rows: facts.tensors.map { tensor in
                [
                    .init(tensor.name), .init("\(tensor.changed)"), .init(String(format: "%.3g", tensor.sparsity)),
                    .init(String(format: "%.4g", tensor.norm)), .init(tensor.rank.map(String.init) ?? "-")
                ]
            })
        let neurons = facts.tensors.filter { !$0.top.isEmpty }.map { Report.Fact($0.name, Self.neurons(of: $0)) }
        let isSame = facts.tensors.isEmpty && facts.others.isEmpty
        var blocks: [Report.Block] = facts.tensors.isEmpty ? [] : [.table(table)]
        if !neurons.isEmpty { blocks += [.heading("Most changed"), .facts(neurons)] }
        if !facts.others.isEmpty {
            blocks += [.heading("Not compared"), .paragraph(facts.others.joined(separator: "\n"))]
        }
        let report = try Report(
            title: "\(first) and \(second)",
            verdict: .init(
                .neutral,
                isSame
                    ? "The weights are the same."
                    : "\(facts.tensors.count) tensors differ, \(facts.equal) are the same."),
            schema: "suture.diff/1", data: facts, blocks: blocks)
        printing.show(report, quietly: (facts.tensors.map(\.name) + facts.others).joined(separator: "\n"))
    }

    /// `columns 3 (0.5), 17 (0.2)`
    private static func neurons(of tensor: Facts.Tensor) -> String {
        let named = tensor.top.map { "\($0.index) (\(String(format: "%.2g", $0.norm)))" }.joined(separator: ", ")
        return "\(tensor.slices) \(named)"
    }
}
