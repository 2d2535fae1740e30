import ArgumentParser
import Foundation
import SutureKit

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "List the patches that a model has, in the order of their application.")

    @Argument(help: "A snapshot directory.")
    var model: String

    @OptionGroup var printing: OutputOptions

    private struct Facts: Encodable, Sendable {
        struct Entry: Encodable, Sendable {
            var id: String
            var scale: Double
            var method, created: String
            var tensors: [String]
        }
        var patches: [Entry]
    }

    func run() throws {
        let url = URL(filePath: model)
        let stack = try PatchedCheckpoint(Checkpoint(url)).present
        let ids = stack.patches.map(\.patch.id).joined(separator: "\n")
        if printing.format == .quiet, ids.isEmpty { return }
        printing.show(try Self.report(stack, of: url), quietly: ids)
    }

    /// What a model has, also shown after it was written.
    static func report(_ stack: PatchStack, of url: URL) throws -> Report {
        let entries = stack.patches.map { applied in
            Facts.Entry(
                id: applied.patch.id, scale: applied.scale, method: applied.patch.method.name,
                created: applied.patch.created, tensors: applied.patch.edits.map(\.tensor))
        }
        let table = Report.Table(
            columns: ["Patch", .number("Scale"), "Method", "Made", .number("Tensors")],
            rows: zip(stack.patches, entries).map { applied, entry in
                [
                    .init(applied.patch.shortID), .init("\(entry.scale)"), .init(entry.method), .init(entry.created),
                    .init("\(entry.tensors.count)")
                ]
            })
        return try Report(
            title: url.lastPathComponent, schema: "suture.log/1", data: Facts(patches: entries),
            blocks: [entries.isEmpty ? .paragraph("No patches.") : .table(table)])
    }
}
