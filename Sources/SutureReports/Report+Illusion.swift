import Foundation
import SutureSubspaces
import SutureTensor

extension Report {
    /// The paper's table on one model, with what it shows and what it does not.
    public init(_ study: IllusionReport) throws {
        var blocks: [Block] = [
            .paragraph(
                "Two prompts differ only in which of two names comes first; a patch at the last token puts something of the "
                    + "one run into the other and should make the model say the other name. FLDD is how much of the logit "
                    + "difference of the two names the patch removes (100% erases it, more reverses it); interchange accuracy "
                    + "is how often the most likely token of the whole vocabulary becomes the other name."),
            .heading("The table"), .table(Self.illusionTable(study)),
            .paragraph(Self.reading(study)),
            .barChart(Self.effects(study)),
            .heading("Where the direction reads and where it writes"),
            .paragraph(
                "The MLP's output is linear in its hidden activations: a patch along a unit direction v adds (v.D) W v, where D "
                    + "is the difference of the two runs. What v reads in the kernel of W cannot reach the output in any natural "
                    + "run; what it writes comes from the part in the row space alone."),
            .barChart(Self.readWrite(study)),
            .facts([
                Fact("Rank of the output projection", "\(study.rank) of \(study.hiddenWidth)"),
                Fact("|v_MLP| in row space, in kernel", Self.pair(study.mlpNorms)),
                Fact("|v_resid| seen by the reading heads, not seen", Self.pair(study.residNorms)),
                Fact("|v_grad| seen by the reading heads, not seen", Self.pair(study.gradientNorms)),
                Fact(
                    "A random direction would have",
                    Self.decimal((1 - Double(study.rank) / Double(study.hiddenWidth)).squareRoot()) + " in the kernel")
            ]),
            .heading("Dormancy"),
            .paragraph(
                String(
                    format:
                        "Along v_grad, the MLP's natural outputs of the two runs differ by %.3g on average; the patch moves "
                        + "it by %.3g, %.1f times as much, and %.0f%% of patched outputs lie outside everything that was seen "
                        + "without a patch.",
                    study.dormancy.gap, study.dormancy.push, study.dormancy.ratio, 100 * study.dormancy.outside)),
            .onPages([
                .plot(Self.histogram(study.dormancy, caption: "The MLP's output along v_grad", axis: "output . v_grad"))
            ]),
            .heading("Where the order of the names is known"),
            .plot(Self.scan(study)),
            .paragraph(
                "Heads behind the patch whose changed output alone carries its effect: "
                    + study.readers.map { "\($0.head) (\(Self.percent($0.share)))" }.joined(separator: ", ")
                    + ". The first \(min(3, study.readers.count)) define what of the residual stream is read.")
        ]
        if !study.otherLayers.isEmpty {
            blocks += [.heading("Other layers"), .table(Self.otherLayers(study)), .paragraph(Self.layersReading(study))]
        }
        blocks += [.heading("Beside the paper")] + Self.comparison(study).map(Block.paragraph)
        blocks += [
            .heading("Both sides of the debate"),
            .paragraph(
                "Makelov, Lange & Nanda call the MLP direction an illusion: it seems to hold the feature, but its effect needs a "
                    + "pathway that is dormant in every natural run. Wu, Geiger et al. reply that a difference between a direction "
                    + "and its row part is a normal consequence of geometry, that a low interchange accuracy already says that "
                    + "little was found, and that no basis is privileged. The numbers above serve both readings; no single "
                    + "one decides."),
            .heading("How"),
            .facts([
                Fact("Model", study.model),
                Fact(
                    "Pairs",
                    "\(study.heldOutPairs) held out (other names, places, objects and templates), \(study.trainPairs) to learn "
                        + "from for each seed"),
                Fact("Seeds", study.seeds.map(String.init).joined(separator: ", ")),
                Fact(
                    "DAS",
                    study.options.sorted { $0.key < $1.key }.filter { $0.key != "seed" }
                        .map { "\($0.key.replacing("_", with: " ")) \(String(format: "%g", $0.value))" }.joined(
                            separator: ", ")),
                Fact(
                    "On the training pairs, v_MLP and v_resid",
                    zip(study.trainingFldd.mlp, study.trainingFldd.resid)
                        .map { "\(Self.percent($0)), \(Self.percent($1))" }.joined(separator: "; ")),
                Fact("Clean logit difference", Self.decimal(study.cleanDifference)),
                Fact("Clean accuracy", Self.percent(study.cleanAccuracy)),
                Fact("Floor of interchange accuracy", Self.percent(study.floor)),
                Fact(
                    "Cosines",
                    study.cosines.sorted { $0.key < $1.key }
                        .map { "\($0.key): \(Self.decimal($0.value))" }.joined(separator: "; ")),
                Fact(
                    "Intervals",
                    "95%, from 1000 resamples of the held-out pairs; beside them the range over random seeds, which draw the pairs: "
                        + "all directions start from one first-order estimate, so their agreement says little")
            ])
        ]
        try self.init(
            title: "Is this the subspace you are looking for?", subtitle: "\(study.model), MLP of layer \(study.layer)",
            verdict: Self.verdict(study), schema: "suture.illusion/1", data: study, blocks: blocks)
    }

    private static func verdict(_ study: IllusionReport) -> Verdict {
        let whole = study.effect(.vMLP)
        let row = study.effect(.vMLPRow)
        let text = String(
            format:
                "Layer %d. In the MLP a direction moves %.0f%% of the logit difference where the whole MLP moves %.0f%%; its "
                + "row part keeps %.0f%%. In the residual stream behind it a direction moves %.0f%%, the whole stream %.0f%%.",
            study.layer, 100 * whole, 100 * study.effect(.fullMLP), 100 * row, 100 * study.effect(.vResid),
            100 * study.effect(.fullResidual))
        return Verdict(.neutral, text)
    }

    /// What the numbers say about the two directions, in words that follow from them.
    private static func reading(_ study: IllusionReport) -> String {
        let mlp = study.effect(.vMLP)
        let controls = max(abs(study.effect(.randomMLP)), abs(study.effect(.shuffledMLP)))
        var parts: [String] = []
        if mlp > 0.2, mlp > 3 * controls {
            let isCreated = mlp > 2 * abs(study.effect(.fullMLP)) || study.effect(.fullMLP) < 0
            let losesRow = study.effect(.vMLPRow) < 0.5 * mlp
            let readsNull = study.effect(.vMLPReadNull) > 0.5 * mlp
            let leaves = study.dormancy.ratio > 3 || study.dormancy.outside > 0.05
            if isCreated, losesRow, readsNull, leaves {
                parts.append(
                    "The direction in the MLP controls the output through a pathway that is dormant without the patch: the whole "
                        + "MLP does not carry the effect, more than half of it disappears with the kernel part, and the output is "
                        + "pushed out of its natural range. It is what the paper calls an illusion.")
            } else {
                parts.append(
                    "The direction in the MLP controls the output; of the four marks of a dormant pathway (the whole MLP does not "
                        + "carry the effect: \(isCreated ? "yes" : "no"); the row part loses half: \(losesRow ? "yes" : "no"); it "
                        + "reads mostly in the kernel: \(readsNull ? "yes" : "no"); the output leaves its natural range: "
                        + "\(leaves ? "yes" : "no")) not all are there.")
            }
        } else {
            parts.append("No direction of this MLP moves the answer much: there is nothing to be deceived by.")
        }
        if study.effect(.vResid) > 0.5 {
            let keeps = study.effect(.vResidRow) / study.effect(.vResid)
            parts.append(
                String(
                    format:
                        "The direction in the residual stream moves %.0f%%, of which what the reading heads see keeps %.0f%%; the whole "
                        + "stream moves %.0f%% and an independent direction, v_grad, %.0f%%. ",
                    100 * study.effect(.vResid), 100 * keeps, 100 * study.effect(.fullResidual),
                    100 * study.effect(.vGrad))
                    + (keeps > 0.75 && study.effect(.fullResidual) > 0.5
                        ? "This is consistent with natural mediation at this site."
                        : "The evidence for mediation there is mixed."))
        }
        return parts.joined(separator: " ")
    }

    /// The paper's findings on gpt2-small, and whether they are found here.
    private static func comparison(_ study: IllusionReport) -> [String] {
        func effect(_ kind: IllusionReport.Kind) -> Double { study.effect(kind) }
        func accuracy(_ kind: IllusionReport.Kind) -> Double {
            (study.row(kind)?.score.interchange.value ?? 0) - study.floor
        }
        let findings: [(holds: Bool, claim: String)] = [
            (effect(.fullMLP) < 0.1, "the whole MLP does nothing for the swap"),
            (effect(.vMLP) > 0.2, "a direction of the MLP removes a good part of the logit difference"),
            (accuracy(.vMLP) < 0.1, "that direction hardly ever makes the model say the other name (4% in the paper)"),
            (effect(.vMLPRow) < 0.5 * effect(.vMLP), "its row part keeps less than half of the effect"),
            (accuracy(.vMLPRow) < 0.01, "its row part never makes the model say the other name (0.2% in the paper)"),
            (abs(effect(.vMLPNull)) < 1e-3, "its kernel part does nothing"),
            (effect(.fullResidual) > 1, "the whole residual stream turns the difference round"),
            (effect(.vResid) > effect(.fullResidual), "a direction of the stream does more than the whole of it"),
            (
                effect(.vResidRow) > 0.75 * effect(.vResid),
                "what the reading heads see of that direction keeps most of it"
            ),
            (effect(.vGrad) > 1, "the reading heads' gradient, which was not learned from patches, turns it round too")
        ]
        func list(_ holds: Bool) -> String {
            let claims = findings.filter { $0.holds == holds }.map(\.claim)
            return claims.isEmpty ? "nothing of what was asked" : claims.joined(separator: "; ")
        }
        return ["As in the paper: \(list(true)).", "Not as in the paper: \(list(false))."]
    }

    // MARK: - Pieces

    private static let names: [IllusionReport.Kind: String] = [
        .fullMLP: "full MLP", .vMLP: "v_MLP", .vMLPRow: "v_MLP, row part",
        .vMLPRowRaw: "v_MLP, row part, not normalised",
        .vMLPNull: "v_MLP, null part", .vMLPReadNull: "read v_null, write v_MLP",
        .vMLPReadRow: "read v_row, write v_MLP",
        .randomMLP: "random direction, MLP", .shuffledMLP: "DAS on shuffled sources, MLP",
        .fullResidual: "full residual",
        .vResid: "v_resid", .vResidRow: "v_resid, row part", .vResidNull: "v_resid, null part", .vGrad: "v_grad",
        .vGradRow: "v_grad, row part", .vGradNull: "v_grad, null part", .vMean: "difference of means",
        .randomResidual: "random direction, residual", .shuffledResidual: "DAS on shuffled sources, residual"
    ]

    /// FLDD and interchange accuracy of the paper's table 1, gpt2-small layer 8.
    private static let published: [IllusionReport.Kind: String] = [
        .fullMLP: "-8 / 0.0", .vMLP: "46.7 / 4.2", .vMLPRow: "13.5 / 0.2", .vMLPNull: "0.0 / 0.0",
        .fullResidual: "123.6 / 54.8", .vResid: "140.7 / 74.8", .vResidRow: "127.5 / 63.1", .vResidNull: "13.9 / 0.4",
        .vGrad: "111.5 / 45.1"
    ]

    private static func illusionTable(_ study: IllusionReport) -> Table {
        Table(
            caption: "Patches at the last token; intervals over \(study.heldOutPairs) held-out pairs, range over "
                + "\(study.seeds.count) seeds; the paper's numbers are of gpt2-small, layer 8",
            columns: [
                "patch", .number("FLDD %"), .number("95%"), .number("seeds"), .number("interchange %"), .number("95%"),
                .number("paper")
            ],
            rows: study.rows.map { row in
                let seeds = row.flddBySeed
                return [
                    .init(names[row.kind] ?? row.kind.rawValue), .init(points(row.score.fldd.value)),
                    .init(range(row.score.fldd)),
                    .init(seeds.count > 1 ? "\(points(seeds.min() ?? 0)) … \(points(seeds.max() ?? 0))" : ""),
                    .init(points(row.score.interchange.value)), .init(range(row.score.interchange)),
                    .init(published[row.kind] ?? "")
                ]
            })
    }

    private static func otherLayers(_ study: IllusionReport) -> Table {
        Table(
            caption: "MLPs of other layers, one seed: FLDD %, with 95% intervals, and interchange accuracy %",
            columns: [
                .number("layer"), .number("full MLP"), .number("direction"), .number("row part"),
                .number("interchange: full"), .number("direction"), .number("row part"), .number("|row|")
            ],
            rows: study.otherLayers.map { other in
                let scores = [other.full, other.direction, other.row]
                let effects = scores.map { Table.Cell("\(points($0.fldd.value)) (\(range($0.fldd)))") }
                let accuracies = scores.map { Table.Cell(points($0.interchange.value)) }
                return [.init("\(other.layer)")] + effects + accuracies + [.init(decimal(other.rowNorm))]
            })
    }

    /// Which layers' MLPs hold a direction that does what the whole MLP does not, and loses half without its kernel part.
    private static func layersReading(_ study: IllusionReport) -> String {
        var found = study.otherLayers.filter {
            IllusionReport.isIllusion(
                full: $0.full.fldd.value, direction: $0.direction.fldd.value, row: $0.row.fldd.value)
        }.map(\.layer)
        let (full, direction, row) = (study.effect(.fullMLP), study.effect(.vMLP), study.effect(.vMLPRow))
        if IllusionReport.isIllusion(full: full, direction: direction, row: row) { found.append(study.layer) }
        func names(_ layers: [Int]) -> String {
            layers.isEmpty ? "none" : layers.sorted().map(String.init).joined(separator: ", ")
        }
        return
            "Layers where a direction of the MLP removes more than a fifth of the logit difference, the whole MLP less than half "
            + "of that, and the direction's row part less than half: \(names(found)), of "
            + "\(names(study.otherLayers.map(\.layer) + [study.layer])) searched."
    }

    private static func effects(_ study: IllusionReport) -> BarChart {
        BarChart(
            caption: "Effect of each patch", axis: "FLDD, %",
            bars: study.rows.map { row in
                let score = row.score.fldd
                return .init(
                    names[row.kind] ?? row.kind.rawValue, 100 * score.value, low: 100 * score.low,
                    high: 100 * score.high)
            })
    }

    private static func readWrite(_ study: IllusionReport) -> BarChart {
        let kinds: [IllusionReport.Kind] = [.vMLP, .vMLPReadNull, .vMLPReadRow]
        return BarChart(
            caption: "What v_MLP reads, always written along v_MLP", axis: "FLDD, %",
            bars: kinds.compactMap { kind in
                study.row(kind).map {
                    .init(
                        names[kind] ?? "", 100 * $0.score.fldd.value, low: 100 * $0.score.fldd.low,
                        high: 100 * $0.score.fldd.high)
                }
            })
    }

    private static func scan(_ study: IllusionReport) -> Plot {
        Plot(
            caption: "Whole residual stream patched at the last token, by the layer it enters", x: .init("layer"),
            y: .init("FLDD, %"),
            series: [
                .init(
                    "", points: study.scan.enumerated().map { .init(Double($0.offset), 100 * $0.element) }, isLine: true
                )
            ])
    }

    /// Natural and patched values as two outlines of one histogram.
    static func histogram(_ dormancy: Dormancy, caption: String, axis: String) -> Plot {
        histogram(
            [("without a patch", dormancy.natural), ("patched", dormancy.patched)], caption: caption, axis: axis)
    }

    /// Several sets of values as outlines of one histogram.
    static func histogram(_ sets: [(name: String, values: [Double])], caption: String, axis: String) -> Plot {
        let all = sets.flatMap(\.values)
        let low = all.min() ?? 0
        let width = max((all.max() ?? 1) - low, 1e-12) / 40
        func points(_ values: [Double]) -> [Plot.Point] {
            var counts = [Double](repeating: 0, count: 40)
            for value in values { counts[min(39, Int((value - low) / width))] += 1 }
            return counts.indices.map {
                Plot.Point(low + (Double($0) + 0.5) * width, 100 * counts[$0] / Double(max(1, values.count)))
            }
        }
        return Plot(
            caption: caption, x: .init(axis), y: .init("share of prompts, %"),
            series: sets.map { .init($0.name, points: points($0.values), isLine: true) })
    }

    static func points(_ share: Double) -> String {
        let text = String(format: "%.1f", 100 * share)
        return text == "-0.0" ? "0.0" : text
    }
    static func percent(_ share: Double) -> String { points(share) + "%" }
    static func decimal(_ value: Double) -> String { String(format: "%.2f", value) }
    static func range(_ estimate: Estimate) -> String { "\(points(estimate.low)) … \(points(estimate.high))" }
    private static func pair(_ norms: IllusionReport.Norms) -> String {
        zip(norms.row, norms.null).map { "\(decimal($0)), \(decimal($1))" }.joined(separator: "; ")
    }
}
