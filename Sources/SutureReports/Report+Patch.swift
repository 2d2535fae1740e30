import Foundation
import SutureFormats
import SuturePatches
import SutureRepair

extension Report {
    /// What there is to say of a patch, also when one was just made: then `making` tells how.
    public init(_ patch: Patch, title: String, making: PatchMaking? = nil, more: [Block] = []) throws {
        // All of the payload is read for the norms.
        let edits = try Parallel.map(patch.edits) { edit in
            let base = patch.base[ByteString(edit.tensor)]
            return PatchFacts.Edit(
                tensor: edit.tensor, kind: edit.kind.rawValue, dtype: base?.type.rawValue ?? "",
                shape: base?.shape ?? [],
                indices: edit.indices ?? [], summary: edit.summary, norm: try edit.norm(shape: base?.shape ?? []))
        }
        let facts = PatchFacts(
            id: patch.id, method: "\(patch.method.name) \(patch.method.version)", tool: patch.tool,
            created: patch.created, seed: patch.method.seed, parents: patch.parents, edits: edits,
            options: patch.method.options, results: patch.results)
        var blocks: [Block] = [
            .facts([
                .init("Id", facts.id),
                .init("Method", facts.method + (facts.seed.map { ", seed \($0)" } ?? "")),
                .init("Made", "\(facts.created) with \(facts.tool)"),
                .init("On top of", facts.parents.isEmpty ? "nothing" : facts.parents.joined(separator: ", "))
            ]),
            .table(
                .init(
                    columns: ["Tensor", "Type", "Changed", .number("Norm")],
                    rows: edits.map { edit in
                        [
                            .init(edit.tensor),
                            .init(
                                "\(edit.dtype) \(edit.shape)"
                                    + (patch.base[ByteString(edit.tensor)]?.isAbsent == true
                                        ? ", not in the model" : "")),
                            .init(edit.summary),
                            .init(String(format: "%.4g", edit.norm))
                        ]
                    }))
        ]
        blocks += [Self.repairs(patch), Self.effects(patch)].compactMap(\.self).map(Block.table)
        // What has a table of its own is not told twice.
        var rest = patch.results.objectValue ?? [:]
        for key: ByteString in ["failures", "side_effects", "held_out"] { rest[key] = nil }
        for (name, value) in [("Options", patch.method.options), ("Results", JSON.object(rest))] {
            let lines = JSONOutline.facts(of: value)
            if !lines.isEmpty { blocks += [.heading(name), .facts(lines)] }
        }
        try self.init(
            title: title, schema: "suture.show/1",
            data: Joined(patch: facts, making: making?.facts ?? [String: String]()),
            blocks: blocks + (making?.blocks ?? []) + more)
    }

    /// What a repair's own report says of each failure; nil for other patches.
    private static func repairs(_ patch: Patch) -> Table? {
        let rows = (patch.results["failures"]?.arrayValue ?? []).compactMap { failure -> [Table.Cell]? in
            func text(_ key: ByteString) -> String? {
                failure[key]?.stringValue.map { Visible.line(Visible.excerpt($0)) }
            }
            guard let prompt = text("prompt"), let expected = text("expected"), let status = text("status") else {
                return nil
            }
            return [
                .init(prompt), .init(expected), .init(text("before") ?? ""), .init(text("after") ?? ""),
                .init(status, highlight: status == RepairReport.Status.fixed.rawValue ? .good : .bad)
            ]
        }
        if rows.isEmpty { return nil }
        return Table(
            caption: "What it repairs", columns: ["Prompt", "Expected", "Before", "After", "Then"], rows: rows)
    }

    /// What else a repair changed, as its own report says; nil for other patches.
    private static func effects(_ patch: Patch) -> Table? {
        let sets = [("guards", "side_effects"), ("held out", "held_out")].compactMap { name, key in
            patch.results[ByteString(key)].map { (name, $0) }
        }
        guard !sets.isEmpty else { return nil }
        func row(_ name: String, _ key: ByteString, _ text: (Double) -> String) -> [Table.Cell] {
            [.init(name)] + sets.map { .init($0.1[key]?.doubleValue.map(text) ?? "–") }
        }
        return Table(
            caption: "What else it changes, on unrelated text",
            columns: [""] + sets.map { .number($0.0) },
            rows: [
                row("tokens", "positions", Numeral.short), row("KL, mean, nats", "divergence", Numeral.short),
                row("KL, largest", "largest_divergence", Numeral.short),
                row("other top token", "changed_top") { Numeral.percent($0) },
                row("perplexity before", "perplexity_before", Numeral.short),
                row("perplexity after", "perplexity_after", Numeral.short)
            ])
    }

    /// How a patch file is used, for a card that is kept beside it.
    public static func card(of file: String, _ patch: Patch) -> [Block] {
        [
            .heading("How to use it"),
            .facts([
                .init("Would it apply", "suture check MODEL \(file)"),
                .init("Apply it", "suture apply MODEL \(file) -o PATCHED"),
                .init("Take it off", "suture revert PATCHED \(patch.shortID) -o BASE")
            ]),
            .paragraph(
                "The patch fits exactly the tensors named above, with the content they had when it was made; anything else "
                    + "is refused. Taking it off restores them to the last bit.")
        ]
    }
}

private struct PatchFacts: Encodable, Sendable {
    struct Edit: Encodable, Sendable {
        var tensor, kind, dtype: String
        var shape, indices: [Int]
        var summary: String
        /// The Euclidean norm of what is added.
        var norm: Double
    }
    var id, method, tool, created: String
    var seed: Int?
    var parents: [String]
    var edits: [Edit]
    var options, results: JSON
}

/// The facts of a patch and what is known of its making, as one object.
private struct Joined: Encodable, Sendable {
    var patch: PatchFacts
    var making: any Encodable & Sendable

    func encode(to encoder: any Encoder) throws {
        try patch.encode(to: encoder)
        try making.encode(to: encoder)
    }
}
