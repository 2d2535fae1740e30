import ArgumentParser
import Foundation
import SutureKit

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say what a patch changes, who made it and what it is for.")

    @Argument(help: "A patch file.")
    var patch: String

    @OptionGroup var printing: OutputOptions

    private struct Facts: Encodable, Sendable {
        struct Edit: Encodable, Sendable {
            var tensor, kind, dtype: String
            var shape, indices: [Int]
            var summary: String
            /// The Euclidean norm of what is added.
            var norm: Double
        }
        var id, method, tool, created: String
        var parents: [String]
        var edits: [Edit]
        var results: String
    }

    func run() throws {
        let patch = try Patch(contentsOf: URL(filePath: patch))
        let edits = try patch.edits.map { edit in
            let base = patch.base[ByteString(edit.tensor)]
            return Facts.Edit(
                tensor: edit.tensor, kind: edit.kind.rawValue, dtype: base?.type.rawValue ?? "", shape: base?.shape ?? [],
                indices: edit.indices ?? [], summary: edit.summary, norm: try edit.norm(shape: base?.shape ?? []))
        }
        let results = String(decoding: patch.results.serialized(), as: UTF8.self)
        let facts = Facts(
            id: patch.id, method: "\(patch.method.name) \(patch.method.version)", tool: patch.tool,
            created: patch.created, parents: patch.parents, edits: edits, results: results)
        let report = try Report(
            title: URL(filePath: self.patch).lastPathComponent, schema: "suture.show/1", data: facts,
            blocks: [
                .facts([
                    .init("Id", facts.id),
                    .init("Method", facts.method + (patch.method.seed.map { ", seed \($0)" } ?? "")),
                    .init("Made", "\(facts.created) with \(facts.tool)"),
                    .init("On top of", facts.parents.isEmpty ? "nothing" : facts.parents.joined(separator: ", "))
                ]),
                .table(
                    .init(
                        columns: ["Tensor", "Type", "Changed", .number("Norm")],
                        rows: edits.map { edit in
                            [
                                .init(edit.tensor), .init("\(edit.dtype) \(edit.shape)"),
                                .init(edit.summary),
                                .init(String(format: "%.4g", edit.norm))
                            ]
                        }))
            ])
        printing.show(report, quietly: patch.id)
    }
}
