import ArgumentParser
import Foundation
import SutureKit

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether patches fit a model, without writing anything.",
        discussion:
            "A model that the patches were not made for is refused (exit code 3), with every tensor that differs.")

    @OptionGroup var patches: PatchOptions
    @OptionGroup var printing: OutputOptions

    private struct Facts: Encodable, Sendable {
        struct File: Encodable, Sendable {
            var name: String
            var bytes: Int
        }
        var patches, tensors: [String]
        var rewritten: [File]
    }

    func run() throws {
        let patched = try patches.patched()
        do {
            try patched.check()
        } catch let error as PatchError {
            // Of a single one the error itself says as much.
            for difference in error.differences where error.differences.count > 1 {
                note("\(difference.tensor): expected \(difference.expected), found \(difference.found)")
            }
            throw error
        }
        let facts = Facts(
            patches: patched.stack.patches.map(\.patch.id), tensors: patched.touched.keys.map(\.string),
            rewritten: try patched.checkpoint.snapshot == nil
                ? [] : patched.plan().rewritten.map { Facts.File(name: $0.name, bytes: $0.bytes) })
        let report = try Report(
            title: patched.checkpoint.url.lastPathComponent,
            verdict: .init(.good, facts.patches.count == 1 ? "The patch fits." : "The patches fit."),
            schema: "suture.check/1", data: facts,
            blocks: [
                .facts([
                    .init("Tensors", facts.tensors.joined(separator: ", ")),
                    .init(
                        "Files to rewrite",
                        facts.rewritten.isEmpty
                            ? "none" : facts.rewritten.map { "\($0.name) (\($0.bytes) bytes)" }.joined(separator: ", "))
                ])
            ])
        printing.show(report, quietly: "fits")
    }
}
