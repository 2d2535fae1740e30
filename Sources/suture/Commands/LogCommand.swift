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
            /// The norm of the change relative to that of all touched tensors, and the sum of these so far.
            var change, drift: Double?
        }
        var patches: [Entry]
    }

    func run() throws {
        let url = URL(filePath: model)
        let patched = try PatchedCheckpoint(Checkpoint(url))
        let ids = patched.present.patches.map(\.patch.id).joined(separator: "\n")
        if printing.format == .quiet {
            if !ids.isEmpty { print(ids) }
            return
        }
        printing.show(try Self.report(patched.present, drift: patched.drift(), of: url), quietly: ids)
    }

    /// What a model has, also shown after it was written; with how far each patch takes the weights, where that is known.
    static func report(_ stack: PatchStack, drift: [Double]? = nil, of url: URL) throws -> Report {
        var total = 0.0
        let entries = stack.patches.enumerated().map { index, applied in
            let change = drift.map { $0[index] }
            total += change ?? 0
            return Facts.Entry(
                id: applied.patch.id, scale: applied.scale, method: applied.patch.method.name,
                created: applied.patch.created, tensors: applied.patch.edits.map(\.tensor), change: change,
                drift: change.map { _ in total })
        }
        let percent = { (share: Double?) in share.map { Report.Table.Cell(String(format: "%.2g%%", 100 * $0)) } }
        let table = Report.Table(
            columns: ["Patch", .number("Scale"), "Method", "Made", .number("Tensors")]
                + (drift == nil ? [] : [.number("Change"), .number("Drift")]),
            rows: zip(stack.patches, entries).map { applied, entry in
                [
                    .init(applied.patch.shortID), .init("\(entry.scale)"), .init(entry.method), .init(entry.created),
                    .init("\(entry.tensors.count)")
                ] + [percent(entry.change), percent(entry.drift)].compactMap(\.self)
            })
        let legend = Report.Block.paragraph(
            "Change is the norm of what a patch adds, relative to that of the tensors that the patches touch. Drift is the "
                + "sum so far: the weights are no further from the base.")
        return try Report(
            title: url.lastPathComponent, schema: "suture.log/1", data: Facts(patches: entries),
            blocks: entries.isEmpty ? [.paragraph("No patches.")] : [.table(table)] + (drift == nil ? [] : [legend]))
    }
}
