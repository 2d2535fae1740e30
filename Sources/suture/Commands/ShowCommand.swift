import ArgumentParser
import Foundation
import SutureKit

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say what a patch changes, who made it and what is known of it.",
        discussion: "--format markdown writes a card, to be kept beside the patch.")

    @Argument(help: "A patch file.")
    var patch: String

    @Option(help: "How it is printed: human, markdown, json, quiet.")
    var format = Format.human

    enum Format: String, ExpressibleByArgument, CaseIterable { case human, markdown, json, quiet }

    func run() throws {
        let patch = try Patch(contentsOf: URL(filePath: patch))
        if format == .quiet { return print(patch.id) }
        let title = URL(filePath: self.patch).lastPathComponent
        let report = try Self.report(patch, title: title, more: format == .markdown ? Self.card(title) : [])
        switch format {
        case .markdown: print(report.markdown(), terminator: "")
        case .json: print(report.json, terminator: "")
        default: print(report.terminal(width: Terminal.width, style: .automatic(for: .output)))
        }
    }

    private struct Facts: Encodable, Sendable {
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
    private struct Joined<Making: Encodable & Sendable>: Encodable, Sendable {
        var patch: Facts
        var making: Making

        func encode(to encoder: any Encoder) throws {
            try patch.encode(to: encoder)
            try making.encode(to: encoder)
        }
    }

    /// What there is to say of a patch, also when one was just made: then `making` and `more` tell how.
    static func report(
        _ patch: Patch, title: String, making: some Encodable & Sendable = [String: String](),
        more: [Report.Block] = []
    ) throws -> Report {
        // All of the payload is read for the norms.
        let edits = try Parallel.map(patch.edits) { edit in
            let base = patch.base[ByteString(edit.tensor)]
            return Facts.Edit(
                tensor: edit.tensor, kind: edit.kind.rawValue, dtype: base?.type.rawValue ?? "",
                shape: base?.shape ?? [],
                indices: edit.indices ?? [], summary: edit.summary, norm: try edit.norm(shape: base?.shape ?? []))
        }
        let facts = Facts(
            id: patch.id, method: "\(patch.method.name) \(patch.method.version)", tool: patch.tool,
            created: patch.created, seed: patch.method.seed, parents: patch.parents, edits: edits,
            options: patch.method.options, results: patch.results)
        var blocks: [Report.Block] = [
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
                            .init(edit.tensor), .init("\(edit.dtype) \(edit.shape)"), .init(edit.summary),
                            .init(String(format: "%.4g", edit.norm))
                        ]
                    }))
        ]
        for (name, value) in [("Options", patch.method.options), ("Results", patch.results)] {
            let lines = Outline.facts(of: value)
            if !lines.isEmpty { blocks += [.heading(name), .facts(lines)] }
        }
        return try Report(
            title: title, schema: "suture.show/1", data: Joined(patch: facts, making: making), blocks: blocks + more)
    }

    private static func card(_ file: String) -> [Report.Block] {
        [
            .heading("How to use it"),
            .facts([
                .init("Would it apply", "suture check MODEL \(file)"),
                .init("Apply it", "suture apply MODEL \(file) -o PATCHED"),
                .init("Take it off", "suture revert PATCHED ID -o BASE")
            ]),
            .paragraph(
                "The patch fits exactly the tensors named above, with the content they had when it was made; anything else "
                    + "is refused. Taking it off restores them to the last bit.")
        ]
    }
}

/// A JSON value as lines for people: `side effects, divergence: 0.02`.
private enum Outline {
    private static let limit = 40

    static func facts(of value: JSON) -> [Report.Fact] {
        var lines: [Report.Fact] = []
        collect(value, path: [], &lines)
        guard lines.count > limit else { return lines }
        return lines.prefix(limit) + [.init("and", "\(lines.count - limit) more, in --format json")]
    }

    private static func collect(_ value: JSON, path: [String], _ lines: inout [Report.Fact]) {
        if let object = value.objectValue {
            for (key, member) in object {
                collect(member, path: path + [key.string.replacingOccurrences(of: "_", with: " ")], &lines)
            }
        } else if let array = value.arrayValue, array.contains(where: { $0.objectValue != nil || $0.arrayValue != nil })
        {
            for (index, element) in array.enumerated() { collect(element, path: path + ["\(index + 1)"], &lines) }
        } else if !value.isNull {
            lines.append(.init(path.joined(separator: ", "), text(of: value)))
        }
    }

    private static func text(of value: JSON) -> String {
        if let array = value.arrayValue { return array.map { text(of: $0) }.joined(separator: ", ") }
        if let text = value.stringValue { return text }
        if value.intValue == nil, let number = value.doubleValue { return String(format: "%.4g", number) }
        return String(decoding: value.serialized(), as: UTF8.self)
    }
}
