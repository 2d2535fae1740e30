import Foundation
import SutureSubspaces
import SutureTensor

extension Report {
    /// What is known of a direction: the checks, what each can and cannot show, and how much may be said.
    public init(_ study: FaithfulnessReport) throws {
        let concerns = study.checks.filter { $0.reading == .concern }
        var blocks: [Block] = [
            .facts([
                Fact("Strongest claim supported", Self.sentence(study.level)),
                Fact("What blocks more", study.obstacles.isEmpty ? "nothing" : study.obstacles.joined(separator: "; ")),
                Fact(
                    "Dormancy score",
                    String(format: "%.2f; planted illusions lay above %.2f", study.dormancyScore.value, study.threshold)
                ),
                Fact("Concerns", concerns.isEmpty ? "none" : concerns.map(\.id.rawValue).joined(separator: ", "))
            ]),
            .onPages([.table(Self.glance(study.checks))]), .barChart(Self.decompositions(study)),
            .heading("The checks")
        ]
        for check in study.checks where !check.values.isEmpty { blocks += Self.blocks(check) }
        blocks += Self.unmeasured(study.checks)
        let sides = [("row", "the row part"), ("null", "the kernel part")].compactMap { part, name in
            study.evidence.inputs[part].map { Self.inputSide($0, name) }
        }
        let outputs = Self.histogram(
            study.evidence.dormancy, caption: "Output side: values along what the patch writes, with and without it",
            axis: "along the written direction")
        blocks.append(.onPages([.heading("Dormancy")] + (sides + [outputs]).map { .plot($0) }))
        if let sweep = study.sweep { blocks += [.heading("Where the inputs differ"), .heatmap(Self.map(sweep))] }
        blocks += [
            .heading("What applies to all of this")
        ]
        blocks += FaithfulnessReport.caveats.map(Block.paragraph)
        blocks += [
            .heading("How"),
            .facts([
                Fact("Model", study.model), Fact("Location", study.location),
                Fact(
                    "Direction",
                    "\(study.method)"
                        + (study.options.isEmpty
                            ? ""
                            : " (\(study.options.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%g", $0.value))" }.joined(separator: ", ")))")
                ),
                Fact("Pairs", "\(study.heldOutPairs) held out, \(study.trainPairs) for training and controls"),
                Fact("Intervals", "95%, from 1000 resamples of the held-out pairs")
            ])
        ]
        let tone: Report.Tone =
            study.level == .mediates ? .good : study.level == .none ? .neutral : study.isDormant ? .bad : .mixed
        try self.init(
            title: "Faithfulness of a direction", subtitle: "\(study.model), \(study.location)",
            verdict: .init(tone, study.headline), schema: "suture.faithful/1",
            data: study,
            blocks: blocks)
    }

    static func sentence(_ level: FaithfulnessReport.Level) -> String {
        level == .mediates ? "is \(level.rawValue)" : level.rawValue
    }

    /// All checks in a table, before one reads them.
    private static func glance(_ checks: [FaithfulnessReport.Check]) -> Table {
        Table(
            caption: "The checks at a glance", columns: ["check", "reading"],
            rows: checks.map { check in
                let tone: Tone? =
                    switch check.reading {
                    case .supports: .good
                    case .concern: .bad
                    case .information, .notMeasured: nil
                    }
                let reading = check.reading == .supports ? "as expected" : mark(check.reading)
                return [.init(check.id.rawValue), .init(reading, highlight: tone)]
            })
    }

    private static func mark(_ reading: FaithfulnessReport.Check.Reading) -> String {
        switch reading {
        case .supports: "as expected of a natural pathway"
        case .concern: "a concern"
        case .information: "for information"
        case .notMeasured: "not measured"
        }
    }

    /// A number of a check; of what is nothing beside 1 only that it is. Of a p value the order matters.
    private static func number(_ value: Double, of name: String) -> String {
        name.contains(" p of ") ? Numeral.short(value) : Numeral.short(value, beside: 1, share: 5e-4)
    }

    private static func blocks(_ check: FaithfulnessReport.Check) -> [Block] {
        let text = [check.shows.isEmpty ? nil : "Shows: \(check.shows)", "Cannot show: \(check.cannotShow)"]
            .compactMap(\.self).joined(separator: " ")
        let hasIntervals = check.values.contains { $0.low != nil }
        let hasControls = check.values.contains { $0.control != nil }
        let table = Table(
            caption: "\(check.question) (\(mark(check.reading)))",
            columns: ["", .number("value")] + (hasIntervals ? [.number("95%")] : [])
                + (hasControls ? [.number("beside")] : []),
            rows: check.values.map { value in
                var cells: [Table.Cell] = [
                    .init(value.name),
                    .init(number(value.value, of: value.name), highlight: value.isWrong == true ? .bad : nil)
                ]
                if hasIntervals {
                    cells.append(
                        .init(
                            value.low.flatMap { low in
                                value.high.map { "\(number(low, of: value.name)) … \(number($0, of: value.name))" }
                            } ?? ""))
                }
                if hasControls { cells.append(.init(value.control.map { number($0, of: value.name) } ?? "")) }
                return cells
            })
        return [.table(table), .paragraph(text)]
    }

    /// The checks that do not apply, in a line for each reason.
    private static func unmeasured(_ checks: [FaithfulnessReport.Check]) -> [Block] {
        let missing = checks.filter(\.values.isEmpty)
        var reasons: [String] = []
        for check in missing where !reasons.contains(check.cannotShow) { reasons.append(check.cannotShow) }
        return reasons.map { reason in
            let names = missing.filter { $0.cannotShow == reason }.map(\.id.rawValue).joined(separator: ", ")
            return .paragraph("Not measured: \(names). \(reason)")
        }
    }

    private static func inputSide(_ inputs: Evidence.Inputs, _ part: String) -> Plot {
        histogram(
            [("base", inputs.base), ("source", inputs.source)],
            caption: "Input side: natural values along what \(part) reads", axis: "along \(part)")
    }

    private static func map(_ sweep: FaithfulnessReport.PositionSweep) -> Heatmap {
        Heatmap(
            caption: "One held-out pair: the effect (FLDD) of the source's residual stream, by layer and token",
            rowTitle: "layer", rows: sweep.cells.indices.map(String.init), columnTitle: "token", columns: sweep.tokens,
            cells: sweep.cells, coloring: .diverging)
    }

    private static func bar(_ name: String, _ effect: Estimate) -> BarChart.Bar {
        .init(name, 100 * effect.value, low: 100 * effect.low, high: 100 * effect.high)
    }

    private static func decompositions(_ study: FaithfulnessReport) -> BarChart {
        let evidence = study.evidence
        let names: [(SplitDirection.Part, String)] = [
            (.row, "row part"), (.rowRaw, "row part, not normalised"), (.null, "kernel part"),
            (.readNull, "reads kernel, writes all"),
            (.readRow, "reads row, writes all")
        ]
        let bars: [BarChart.Bar] =
            [bar("whole component", evidence.whole), bar("direction", evidence.direction)]
            + names.compactMap { part, name in evidence.effect(part).map { bar(name, $0) } }
            + evidence.supersets.map { bar("\($0.channels) channels whole", $0.effect) }
        return BarChart(
            caption: "Effect by decomposition: 100% takes the answer's lead, 200% turns it round", axis: "FLDD, %",
            bars: bars)
    }
}
