import SutureCore
import SutureSubspaces

extension Report {
    /// What random starts find in each layer, beside the computed one.
    public init(_ study: StartsReport) throws {
        let mlps = study.sites.filter { !$0.isInStream }
        let streams = study.sites.filter(\.isInStream)
        try self.init(
            title: "The illusion from random starts", subtitle: study.model, verdict: Self.verdict(mlps),
            schema: "suture.starts/1", data: study,
            blocks: [
                .paragraph(
                    "Directions are learned by DAS from random starts, in the MLP of each layer and in the stream behind it, for "
                        + "the order of two names (indirect object identification). A direction of an MLP counts as an illusion "
                        + "where it removes more than a fifth of the logit difference, the whole MLP less than half of that, and "
                        + "the direction's row part less than half."),
                .heading("MLPs"), .table(Self.mlpTable(mlps)), .paragraph(Self.mlpReading(mlps)),
                .plot(Self.plot(mlps)), .table(Self.agreementTable(mlps)), .heading("The stream behind them"),
                .table(Self.streamTable(streams)),
                .paragraph(Self.streamReading(streams)), .heading("How"),
                .facts([
                    Fact("Model", study.model),
                    Fact("Pairs", "\(study.heldOutPairs) held out, \(study.trainPairs) to learn from, for all starts"),
                    Fact(
                        "Starts", "\(study.sites.first?.random.count ?? 0) random ones, and one computed to first order"
                    ),
                    Fact(
                        "DAS",
                        study.options.sorted { $0.key < $1.key }.filter { !["seed", "first_order"].contains($0.key) }
                            .map { "\($0.key.replacing("_", with: " ")) \(String(format: "%g", $0.value))" }
                            .joined(separator: ", ")),
                    Fact("|cos|", "of several directions the root mean square of the cosines of principal angles"),
                    Fact("Numbers", "FLDD on held-out pairs; of the starts the median, and the range in brackets")
                ])
            ])
    }

    private static func verdict(_ mlps: [StartsReport.Site]) -> Verdict {
        let all = mlps.reduce(0) { $0 + $1.random.count }
        let found = mlps.reduce(0) { $0 + $1.illusions }
        let computed = mlps.count { $0.isIllusion($0.computed) }
        return Verdict(
            .neutral,
            "An illusion is found from \(found) of \(all) random starts (\(percentages(found, all))), and from the computed "
                + "start in \(computed) of \(mlps.count) layers.")
    }

    private static func percentages(_ hits: Int, _ count: Int) -> String {
        let share = Estimate(hits, of: count)
        return "\(points(share.low))% to \(points(share.high))%"
    }

    /// The median, and the range in brackets.
    private static func spread(_ values: [Double], _ text: (Double) -> String) -> String {
        guard let low = values.min(), let high = values.max() else { return "" }
        return "\(text(Bootstrap.median(values))) (\(text(low)) … \(text(high)))"
    }

    private static func mlpTable(_ sites: [StartsReport.Site]) -> Table {
        Table(
            caption:
                "FLDD %: the whole MLP, directions from both kinds of start and their row parts; MLPs with random weights "
                + "beside them",
            columns: [
                .number("layer"), .number("whole"), .number("computed start"), .number("row part"),
                .number("random starts"), .number("row part"), .number("illusions"), .number("random MLPs")
            ],
            rows: sites.map { site in
                [
                    .init("\(site.layer)"), .init(points(site.whole.fldd.value)),
                    .init(points(site.computed.score.fldd.value)), .init(points(site.computed.row?.fldd.value ?? 0)),
                    .init(spread(site.random.map(\.score.fldd.value), points)),
                    .init(spread(site.random.map { $0.row?.fldd.value ?? 0 }, points)),
                    .init("\(site.illusions) of \(site.random.count)"),
                    .init(spread(site.controls.map(\.fldd.value), points))
                ]
            })
    }

    private static func agreementTable(_ sites: [StartsReport.Site]) -> Table {
        Table(
            caption:
                "Whether the MLPs' directions agree: |cos|, and the length of what the output projection sees of them",
            columns: [
                .number("layer"), .number("between random starts"), .number("with computed"), .number("|row|"),
                .number("|row| of computed")
            ],
            rows: sites.map { site in
                [
                    .init("\(site.layer)"), .init(spread(site.agreement, decimal)),
                    .init(spread(site.withComputed, decimal)),
                    .init(spread(site.random.compactMap(\.rowNorm), decimal)),
                    .init(site.computed.rowNorm.map(decimal) ?? "")
                ]
            })
    }

    private static func streamTable(_ sites: [StartsReport.Site]) -> Table {
        Table(
            caption: "FLDD %: the whole stream entering a layer, and directions from both kinds of start",
            columns: [
                .number("layer"), .number("whole"), .number("computed start"), .number("random starts"),
                .number("|cos| of starts"), .number("with computed")
            ],
            rows: sites.map { site in
                [
                    .init("\(site.layer)"), .init(points(site.whole.fldd.value)),
                    .init(points(site.computed.score.fldd.value)),
                    .init(spread(site.random.map(\.score.fldd.value), points)),
                    .init(spread(site.agreement, decimal)), .init(spread(site.withComputed, decimal))
                ]
            })
    }

    private static func names(_ sites: [StartsReport.Site]) -> String {
        sites.isEmpty ? "none" : sites.map { "\($0.layer)" }.joined(separator: ", ")
    }

    private static func mlpReading(_ sites: [StartsReport.Site]) -> String {
        let all = sites.filter { $0.illusions == $0.random.count }
        let some = sites.filter { $0.illusions > 0 && $0.illusions < $0.random.count }
        let controls = sites.flatMap { site in site.controls.map(\.fldd.value) }
        let random =
            controls.isEmpty
            ? ""
            : " Directions learned in MLPs with random weights move \(spread(controls, points))% of the logit difference: "
                + "what they move says how much width alone can do."
        return "Layers where every random start finds an illusion: \(names(all)); where some do: \(names(some))."
            + random
    }

    private static func streamReading(_ sites: [StartsReport.Site]) -> String {
        let effective = sites.filter { Bootstrap.median($0.random.map(\.score.fldd.value)) > 0.5 }
        let cosines = effective.flatMap(\.agreement)
        return
            "Layers where a random start's direction of the stream moves more than half of the logit difference (median): "
            + names(effective)
            + (cosines.isEmpty ? "." : "; |cos| between these starts \(spread(cosines, decimal)).")
    }

    private static func plot(_ sites: [StartsReport.Site]) -> Plot {
        func points(_ values: (StartsReport.Site) -> [Double]) -> [Plot.Point] {
            sites.flatMap { site in values(site).map { .init(Double(site.layer), 100 * $0) } }
        }
        return Plot(
            caption: "Directions of MLPs, by layer", x: .init("layer"), y: .init("FLDD, %"),
            series: [
                .init("the whole MLP", points: points { [$0.whole.fldd.value] }, isLine: true),
                .init("the computed start", points: points { [$0.computed.score.fldd.value] }, isLine: true),
                .init("random starts", points: points { $0.random.map(\.score.fldd.value) }, isLine: false),
                .init("MLPs with random weights", points: points { $0.controls.map(\.fldd.value) }, isLine: false)
            ])
    }
}
