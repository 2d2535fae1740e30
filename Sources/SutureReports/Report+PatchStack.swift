import Foundation
import SuturePatches
import SutureRepair
import SutureTasks

extension Report {
    /// What a model has, also shown after it was written; with how far each patch takes the weights, where that is known.
    public init(_ stack: PatchStack, drift: [Double]? = nil, title: String) throws {
        var total = 0.0
        let entries = stack.patches.enumerated().map { index, applied in
            let change = drift.map { $0[index] }
            total += change ?? 0
            return StackFacts.Entry(
                id: applied.patch.id, scale: applied.scale, method: applied.patch.method.name,
                created: applied.patch.created, fixes: applied.patch.repaired,
                tensors: applied.patch.edits.map(\.tensor), change: change,
                drift: change.map { _ in total })
        }
        let percent = { (share: Double?) in share.map { Table.Cell(Numeral.percent($0)) } }
        let table = Table(
            columns: ["Patch", .number("Scale"), "Method", "Fixes", "Made", .number("Tensors")]
                + (drift == nil ? [] : [.number("Change"), .number("Drift")]),
            rows: zip(stack.patches, entries).map { applied, entry in
                [
                    .init(applied.patch.shortID), .init("\(entry.scale)"), .init(entry.method),
                    .init(Self.fixes(entry.fixes)), .init("\(entry.created.prefix(10))"),
                    .init("\(entry.tensors.count)")
                ] + [percent(entry.change), percent(entry.drift)].compactMap(\.self)
            })
        let legend = Block.paragraph(
            "Change is the norm of what a patch adds, relative to that of the tensors that the patches touch. Drift is the "
                + "sum so far: the weights are no further from the base.")
        try self.init(
            title: title, schema: "suture.log/1", data: StackFacts(patches: entries),
            blocks: entries.isEmpty ? [.paragraph("No patches.")] : [.table(table)] + (drift == nil ? [] : [legend]))
    }

    /// The first of what a patch says it repaired, and how many more there are: `... of Australia is -> Canberra`.
    static func fixes(_ failures: [Failure]) -> String {
        guard let first = failures.first else { return "-" }
        let prompt = asked(first.prompt)
        let more = failures.count > 1 ? ", and \(failures.count - 1) more" : ""
        return Visible.line("\(prompt) -> \(first.expected.trimmingCharacters(in: .whitespacesAndNewlines))\(more)")
    }

    /// What writing a model with patches would do, file by file.
    public init(_ plan: WritePlan, output: String) throws {
        let untouched = plan.untouchedAre == .linked ? "linked" : "copied"
        let groups = [
            (plan.rewritten, "rewritten"), (plan.untouched, untouched), (plan.copied, "copied"),
            (plan.originals, "kept original"), (plan.patches, "patch")
        ]
        // People want to know how much that is, not the digest of each.
        let shown = groups.map { files, action -> ([(String, Int)], String) in
            let total = files.reduce(0) { $0 + $1.bytes }
            return action == "kept original" && files.count > 1
                ? ([("suture/originals (\(files.count) tensors)", total)], action)
                : (files.map { ($0.name, $0.bytes) }, action)
        }
        let files = groups.flatMap { files, action in
            files.map { PlanFacts.File(name: $0.name, action: action, bytes: action == "linked" ? 0 : $0.bytes) }
        }
        let table = Table(
            columns: ["File", "How", .number("Bytes")],
            rows: shown.flatMap { files, action in
                files.map { [.init($0.0), .init(action), .init("\(action == "linked" ? 0 : $0.1)")] }
            })
        try self.init(
            title: URL(filePath: output).lastPathComponent,
            verdict: .init(.good, "The patches fit; \(plan.bytes) bytes would be written."), schema: "suture.plan/1",
            data: PlanFacts(output: output, bytes: plan.bytes, files: files), blocks: [.table(table)])
    }

    /// That patches fit the model that they are to be put on, and leave one another's answers, which was checked before.
    public init(fitting patched: PatchedCheckpoint, answers: StackedAnswers? = nil) throws {
        let facts = FitFacts(
            answers: answers?.asked, patches: patched.stack.patches.map(\.patch.id),
            tensors: patched.touched.keys.map(\.string),
            rewritten: try patched.checkpoint.snapshot == nil || patched.added != nil
                ? [] : patched.plan().rewritten.map { FitFacts.File(name: $0.name, bytes: $0.bytes) })
        try self.init(
            title: patched.checkpoint.url.lastPathComponent,
            verdict: .init(.good, facts.patches.count == 1 ? "The patch fits." : "The patches fit."),
            schema: "suture.check/1", data: facts,
            blocks: [
                .facts(
                    [
                        .init("Tensors", facts.tensors.joined(separator: ", ")),
                        .init(
                            "Files to rewrite",
                            facts.rewritten.isEmpty
                                ? patched.added == nil ? "none" : "none can be: the patch is used when the model runs"
                                : facts.rewritten.map { "\($0.name) (\($0.bytes) bytes)" }.joined(separator: ", "))
                    ]
                        + (answers.map {
                            [.init("Repaired answers", "all \($0.asked) come out with these patches together")]
                        } ?? []))
            ])
    }

    /// Which patch of a model broke a check.
    public init(_ found: Bisection, title: String) throws {
        let facts = BisectionFacts(
            patch: found.patch.patch.id, method: found.patch.patch.method.name, alone: found.holdsWithout,
            checks: found.checks)
        try self.init(
            title: title, verdict: .init(.bad, "Broken by \(found.patch.patch.shortID) (\(facts.method))."),
            schema: "suture.bisect/1", data: facts,
            blocks: [
                .facts([
                    .init("Id", facts.patch),
                    .init(
                        "Without it",
                        facts.alone ? "the check holds" : "the check still fails: others have a part in it"),
                    .init("Checks", "\(facts.checks)")
                ])
            ])
    }
}

private struct StackFacts: Encodable, Sendable {
    struct Entry: Encodable, Sendable {
        var id: String
        var scale: Double
        var method, created: String
        /// What the patch's own report calls fixed.
        var fixes: [Failure]
        var tensors: [String]
        /// The norm of the change relative to that of all touched tensors, and the sum of these so far.
        var change, drift: Double?
    }
    var patches: [Entry]
}

private struct PlanFacts: Encodable, Sendable {
    struct File: Encodable, Sendable {
        var name, action: String
        var bytes: Int
    }
    var output: String
    var bytes: Int
    var files: [File]
}

private struct FitFacts: Encodable, Sendable {
    struct File: Encodable, Sendable {
        var name: String
        var bytes: Int
    }
    /// How many repaired answers were asked for, where several patches have some.
    var answers: Int?
    var patches, tensors: [String]
    var rewritten: [File]
}

private struct BisectionFacts: Encodable, Sendable {
    var patch, method: String
    var alone: Bool
    var checks: Int
}
