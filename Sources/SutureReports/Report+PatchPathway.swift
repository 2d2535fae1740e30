import Foundation
import SutureSubspaces
import SutureTensor

extension Report {
    /// Whether a patch of weights works through what the model itself reads and writes.
    public init(_ study: PatchPathway) throws {
        let level = study.verdict.level
        try self.init(
            title: "Pathway of a patch", subtitle: study.model,
            verdict: .init(
                level == .mediates ? .good : level == .none ? .neutral : .mixed,
                study.headline),
            schema: "suture.pathway/2", data: study,
            blocks: [.facts(Self.pathwayVerdict(study))] + Self.pathwayEvidence(study))
    }

    /// What may be said of a patch, as a part of any page about it.
    static func pathwayVerdict(_ study: PatchPathway) -> [Fact] {
        let verdict = study.verdict
        return [
            Fact("Strongest claim supported", sentence(verdict.level)),
            Fact("What blocks more", verdict.obstacles.isEmpty ? "nothing" : verdict.obstacles.joined(separator: "; "))
        ]
    }

    /// The evidence for that.
    static func pathwayEvidence(_ study: PatchPathway) -> [Block] {
        var blocks: [Block] = [
            .facts([
                Fact("Margin of the wanted token, before", margin(study.before)),
                Fact("After the patch", margin(study.after)),
                Fact(
                    "KL on other text when what the patch reads is set to its mean",
                    study.readsNothing
                        ? "it reads nothing: it adds the same everywhere"
                        : String(
                            format: "%.2g nats a token: %@", study.use,
                            study.use > 1e-3
                                ? "the model uses it"
                                : study.use > 1e-4 ? "the model uses it a little" : "it is dormant")),
                Fact("KL on other text under the patch", String(format: "%.2g nats a token", study.sideEffect)),
                Fact("Prompts", "\(study.prompts)")
            ]),
            .barChart(routes(study)), .table(parts(study)), .table(effects(study))
        ]
        if !study.generalisation.isEmpty { blocks.append(.table(generalisation(study))) }
        for part in study.parts.prefix(3) {
            let dormancy = Dormancy(base: part.natural, source: part.natural, patched: part.patched)
            let histogram = Self.histogram(
                dormancy, caption: "\(part.name): its output along what the patch writes",
                axis: "along the written direction")
            blocks.append(.onPages([.plot(histogram)]))
        }
        blocks += PatchPathway.caveats.map(Block.paragraph)
        if !study.unexamined.isEmpty {
            let names = study.unexamined.joined(separator: ", ")
            blocks.append(.paragraph("Not examined, as they belong to no attention and no MLP: \(names)."))
        }
        return blocks
    }

    private static func margin(_ estimate: Estimate) -> String {
        estimate.low == estimate.high
            ? decimal(estimate.value)
            : "\(decimal(estimate.value)) (\(decimal(estimate.low)) … \(decimal(estimate.high)))"
    }

    private static func routes(_ study: PatchPathway) -> BarChart {
        let names: [(PatchPathway.Route, String)] = [
            (.oldOutputs, "new inputs, old outputs"), (.readsRow, "new outputs for what was seen"),
            (.readsKernel, "new outputs for what was not seen")
        ]
        return BarChart(
            caption: "The margin with one route of the patch open: what does it read?", axis: "logits",
            bars: [
                .init("original", study.before.value, low: study.before.low, high: study.before.high),
                .init("patched", study.after.value, low: study.after.low, high: study.after.high)
            ] + names.map { .init($1, study.routes[$0] ?? 0) })
    }

    private static func parts(_ study: PatchPathway) -> Table {
        Table(
            caption: "What each changed part reads and writes, where it is meant to",
            columns: [
                "part", .number("rank"), .number("reading seen by the projection"), .number("a random one's"),
                .number("writes here / elsewhere"), .number("in natural deviations"), .number("outside natural range"),
                .number("distance to natural"), .number("activations out of range")
            ],
            rows: study.parts.map { part in
                [
                    .init(part.name), .init(part.rank == 0 ? "-" : "\(part.rank)"),
                    .init(part.rowShare.map(percent) ?? "-"), .init(percent(part.randomRowShare)),
                    .init(Numeral.short(part.specificity)), .init(Numeral.short(part.push)),
                    .init(percent(part.outside)), .init(Numeral.short(part.neighborRatio)),
                    .init(part.rangeExit.map(percent) ?? "-")
                ]
            })
    }

    private static func effects(_ study: PatchPathway) -> Table {
        Table(
            caption: "Is each part needed? The margin with its changes alone, and without them",
            columns: ["part", .number("tensors"), .number("alone"), .number("without")],
            rows: study.parts.map { part in
                [
                    .init(part.name), .init("\(part.tensors.count)"), .init(decimal(part.alone)),
                    .init(decimal(part.without))
                ]
            })
    }

    private static func generalisation(_ study: PatchPathway) -> Table {
        Table(
            caption: "Does it hold elsewhere? The share of prompts with the wanted token first",
            columns: ["prompts", .number("count"), .number("before"), .number("after"), .number("95%")],
            rows: study.generalisation.map { row in
                [
                    .init(row.name), .init("\(row.prompts)"), .init(percent(row.before.value)),
                    .init(percent(row.after.value)), .init(range(row.after))
                ]
            })
    }
}
