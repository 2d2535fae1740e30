import SutureSignatures

// The studies beside the main table; each is left out where it was not made.
extension Report {
    static func layerBlocks(_ study: StudyResult) -> [Block] {
        guard !study.layers.isEmpty else { return [] }
        let names = study.setting.corruptions
        func plot(_ caption: String, _ axis: String, _ values: (StudyResult.Layer) -> [Double]) -> Block {
            .plot(
                Plot(
                    caption: caption, x: .init("layer, from the first"), y: .init(axis),
                    series: names.indices.map { index in
                        .init(
                            names[index],
                            points: study.layers.enumerated().map { .init(Double($0 + 1), values($1)[index]) },
                            isLine: true)
                    }))
        }
        return [
            .heading("Where weights differ"),
            plot("How far the robust model is from the standard one", "|R - S| / |P|") { $0.difference },
            plot("How alike robust and standard training change a layer", "cosine of R - P and S - P") { $0.cosine }
        ]
    }

    static func likenessBlocks(_ study: StudyResult) -> [Block] {
        guard let likeness = study.likeness else { return [] }
        var blocks: [Block] = [
            .heading("Which corruption a signature knows"), .heatmap(heatmap("Cosine of signatures", likeness))
        ]
        if !study.crossed.isEmpty {
            blocks.append(
                .heatmap(
                    Heatmap(
                        caption: "Right answers, %: a signature (row) under a corruption (column), all layers, scale 1",
                        rowTitle: "signature", rows: likeness.names, columnTitle: "corruption",
                        columns: likeness.names, cells: study.crossed.map { $0.map { 100 * $0 } },
                        coloring: .sequential)))
        }
        return blocks
    }

    static func curveBlocks(_ study: StudyResult) -> [Block] {
        var blocks: [Block] = []
        if !study.batchNorms.isEmpty {
            blocks += [.heading("Batch norms"), .table(batchNorms(study))]
        }
        blocks += [.heading("How many layers"), .plot(layersKept(study, { $0.mean }, "under the corruption"))]
        blocks.append(.plot(layersKept(study, { $0.clean }, "on clean images")))
        if !study.scales.isEmpty {
            blocks.append(.heading("How much of it, and what the projection does"))
            blocks += study.setting.corruptions.map { .plot(scales(study, $0)) }
        }
        if !study.bits.isEmpty {
            blocks += [.heading("In how many bits"), .plot(bits(study))]
        }
        return blocks
    }

    static func combinationBlocks(_ study: StudyResult) -> [Block] {
        var blocks: [Block] = []
        if !study.compositions.isEmpty { blocks += [.heading("Several at once"), .table(compositions(study))] }
        if !study.transfers.isEmpty {
            blocks += [
                .heading("On other models"),
                .paragraph(
                    """
                    Two more tasks: to tell the classes of the lower half, and those of the upper half, each with a \
                    standard model and robust ones of its own from the same P with a new last layer. Foreign signatures \
                    come from the lower half and are put on the standard model of the upper half, all layers, scale 1.
                    """),
                .table(transfers(study.transfers, "From one half of the classes to the other"))
            ]
            if let halves = study.halves {
                blocks += [
                    .heatmap(heatmap("Cosine of signatures of both halves", halves)),
                    .paragraph(
                        "Signatures are consistent across data only where the diagonal lies above what different corruptions "
                            + "reach within one half.")
                ]
            }
        }
        if !study.continued.isEmpty {
            blocks.append(
                .table(
                    transfers(
                        study.continued,
                        "The standard model after more training (standard), with the signature made before (foreign); the "
                            + "model of before with it (own)")))
        }
        if study.compositions.contains(where: { $0.accuracy == nil })
            || (study.transfers + study.continued).contains(where: { $0.foreign == nil || $0.own == nil })
        {
            blocks.append(
                .paragraph(
                    "\(noModel): a running variance of a batch norm would fall below zero, and there is nothing to measure."
                ))
        }
        return blocks
    }

    /// In place of what could not be measured.
    private static let noModel = "no model"

    private static func heatmap(_ caption: String, _ likeness: StudyResult.Likeness) -> Heatmap {
        Heatmap(
            caption: caption, rowTitle: "signature", rows: likeness.names, columnTitle: "signature",
            columns: likeness.names, cells: likeness.cosines, coloring: .diverging)
    }

    private static func batchNorms(_ study: StudyResult) -> Table {
        Table(
            caption: "What becomes of batch norms: right answers, %, clean / under the corruption, all layers, scale 1",
            columns: ["corruption", "policy", .number("right")],
            rows: study.batchNorms.map { [.init($0.corruption), .init($0.variant), pair($0.points[0].accuracy)] })
    }

    private static func layersKept(
        _ study: StudyResult, _ value: (StudyResult.Accuracy) -> Double, _ what: String
    ) -> Plot {
        Plot(
            caption: "The first so many layers at scale 1: right answers \(what)", x: .init("layers"),
            y: .init("right, %"), series: study.layersKept.filter { $0.variant == "1.0" }.map { series($0, value) })
    }

    private static func scales(_ study: StudyResult, _ corruption: String) -> Plot {
        let curves = study.scales.filter { $0.corruption == corruption }
        return Plot(
            caption: "\(corruption): all layers", x: .init("scale"), y: .init("right, %"),
            series: curves.flatMap { curve in
                [("\(curve.variant), corrupted", \StudyResult.Accuracy.mean), ("\(curve.variant), clean", \.clean)]
                    .map { name, path in
                        var line = series(curve) { $0[keyPath: path] }
                        line.name = name
                        return line
                    }
            })
    }

    private static func bits(_ study: StudyResult) -> Plot {
        Plot(
            caption: "The chosen layers and scale in few bits: right answers under the corruption", x: .init("bits"),
            y: .init("right, %"), series: study.bits.map { series($0) { $0.mean } })
    }

    private static func series(
        _ curve: StudyResult.Curve, _ value: (StudyResult.Accuracy) -> Double
    ) -> Plot.Series {
        .init(curve.corruption, points: curve.points.map { .init($0.value, 100 * value($0.accuracy)) }, isLine: true)
    }

    private static func compositions(_ study: StudyResult) -> Table {
        Table(
            caption: "Right answers, %: clean / mean under the corruptions of all that are added",
            columns: [
                .number("signatures"), "the last one added", "mode", .number("right"), .number("without any"),
                .number("each alone, its own")
            ],
            rows: study.compositions.map { it in
                let alone = it.alone.reduce(0, +) / Double(max(1, it.alone.count))
                return [
                    .init("\(it.corruptions.count)"), .init(it.corruptions.last ?? ""), .init(it.mode),
                    it.accuracy.map(pair) ?? .init(noModel), pair(it.standard), .init(points(alone))
                ]
            })
    }

    private static func transfers(_ transfers: [StudyResult.Transfer], _ caption: String) -> Table {
        Table(
            caption: caption + ": right answers, %, clean / under the corruption",
            columns: [
                "corruption", .number("standard"), .number("foreign"), .number("own"), .number("robust")
            ],
            rows: transfers.map { it in
                [
                    .init(it.corruption), pair(it.standard), it.foreign.map(pair) ?? .init(noModel),
                    it.own.map(pair) ?? .init(noModel),
                    it.robust.map(pair) ?? ""
                ]
            })
    }
}
