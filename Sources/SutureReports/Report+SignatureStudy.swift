import Foundation
import SutureSignatures
import SutureVision

extension Report {
    /// The page of a study of signatures.
    public init(_ study: StudyResult) throws {
        var blocks: [Block] = [.facts(Self.setting(study)), .paragraph(Self.method)]
        blocks += [.heading("What is regained"), .table(Self.outcomes(study)), .barChart(Self.regained(study))]
        blocks += [.table(Self.files(study)), .paragraph(Self.chosen)]
        blocks += Self.layerBlocks(study) + Self.likenessBlocks(study) + Self.curveBlocks(study)
        blocks += Self.combinationBlocks(study)
        try self.init(
            title:
                "Robust weight signatures: \(study.setting.architecture), width \(Numeral.short(study.setting.width))",
            verdict: Self.verdict(study), schema: "suture.signatures/1", data: study, blocks: blocks)
    }

    private static let method = """
        P is trained on clean images for a few epochs; from there the standard model S goes on with clean images, and for \
        each corruption a robust model R with corrupted ones among them. In each tensor the signature is the part of R - P \
        that is orthogonal to S - P; S with the signature is the patched model. The gap is the accuracy of R under its \
        corruption less that of S.
        """

    private static let chosen = """
        Layers (the first so many), scale and bits were chosen on images set aside from the training set: the best under \
        the corruption of those that lose at most 1.5 points on clean images. The tables above are measured on the whole \
        test set, once for each choice; bits, compositions and what was trained on, on its first images.
        """

    private static func setting(_ study: StudyResult) -> [Fact] {
        let it = study.setting
        return [
            Fact("Network", "\(it.architecture), width \(Numeral.short(it.width)), \(it.parameters) parameters"),
            Fact("Model", "\(it.modelBytes) bytes"),
            Fact("Images", "\(it.trainImages) to train, \(it.validationImages) to choose, \(it.testImages) to test"),
            Fact("Epochs", "\(it.pretrainingEpochs) for P, \(it.epochs) from there"),
            Fact("Corrupted images of R", String(format: "%.0f%%", 100 * it.corruptedShare)),
            Fact("Batch norms", study.batchNorms.isEmpty ? "none" : study.batchNorm)
        ]
    }

    private static func verdict(_ study: StudyResult) -> Verdict {
        let outcomes = study.outcomes
        let good = outcomes.filter { $0.regained >= 0.6 && $0.cleanLoss <= 0.02 }
        let ratios = outcomes.map { Double(study.setting.modelBytes) / Double($0.stored.bytes) }
        let lost = outcomes.map { max($0.stored.lostUnderCorruption, $0.stored.lostClean) }.max() ?? 0
        let text =
            "\(good.count) of \(outcomes.count) signatures regain 60% of the gap or more and cost 2 points of the clean "
            + "accuracy at most. Stored, they are \(Numeral.short(ratios.min() ?? 0)) times smaller than the model or "
            + "more, and lose \(points(max(0, lost))) points by that at most."
        return Verdict(good.count == outcomes.count ? .good : good.isEmpty ? .bad : .mixed, text)
    }

    // MARK: The main tables

    private static func outcomes(_ study: StudyResult) -> Table {
        Table(
            caption: "Right answers, %, on \(study.setting.testImages) images: clean / under the corruption",
            columns: [
                "corruption", .number("standard"), .number("robust"), .number("patched"), .number("regained"),
                .number("clean loss"), .number("layers"), .number("scale")
            ],
            rows: study.outcomes.map { it in
                let isMet = it.regained >= 0.6 && it.cleanLoss <= 0.02
                return [
                    .init(it.corruption), pair(it.standard), pair(it.robust), pair(it.patched),
                    .init(percent(it.regained), highlight: isMet ? .good : .bad), .init(points(it.cleanLoss)),
                    .init("\(it.layers)"), .init(Numeral.short(it.scale))
                ]
            })
    }

    private static func regained(_ study: StudyResult) -> BarChart {
        BarChart(
            caption: "Right answers under each corruption", axis: "right, %",
            bars: study.outcomes.flatMap { it in
                [("standard", it.standard), ("patched", it.patched), ("robust", it.robust)].map { name, accuracy in
                    let interval = Evaluation.interval(of: accuracy.mean, in: study.setting.testImages)
                    return .init(
                        "\(it.corruption), \(name)", 100 * accuracy.mean, low: 100 * interval.low,
                        high: 100 * interval.high)
                }
            })
    }

    private static func files(_ study: StudyResult) -> Table {
        Table(
            caption: "The file: right answers, %, clean / under the corruption",
            columns: [
                "corruption", .number("layers"), .number("bits"), .number("bytes"), .number("times smaller"),
                .number("in full"), .number("stored"), .number("regained")
            ],
            rows: study.outcomes.map { it in
                let ratio = Double(study.setting.modelBytes) / Double(it.stored.bytes)
                return [
                    .init(it.corruption), .init("\(it.stored.layers)"), .init("\(it.stored.bits)"),
                    .init("\(it.stored.bytes)"), .init(Numeral.short(ratio), highlight: ratio >= 13 ? .good : .bad),
                    pair(it.stored.full), pair(it.stored.accuracy), .init(percent(it.share(of: it.stored.accuracy)))
                ]
            })
    }

    // MARK: Pieces

    static func pair(_ accuracy: StudyResult.Accuracy) -> Table.Cell {
        .init("\(points(accuracy.clean)) / \(points(accuracy.mean))")
    }
}

extension StudyResult.Stored {
    /// By how much storing it in few bits is worse.
    var lostClean: Double { full.clean - accuracy.clean }
    var lostUnderCorruption: Double { full.mean - accuracy.mean }
}
