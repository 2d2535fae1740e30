import Foundation
import SutureSubspaces

extension Report {
    /// How well planted illusions are told from planted mediators, by the evidence and by the row test alone.
    public init(_ study: PlantedStudy) throws {
        let all = study.separation()
        let kinds = PlantedModel.Family.Kind.allCases.filter { kind in study.models.contains { $0.family == kind } }
        let widths = Set(study.models.map { [$0.width, $0.hiddenWidth] }).sorted { $0.lexicographicallyPrecedes($1) }
        let noises = study.models.map(\.noise).sorted()
        let cuts = [noises.first ?? 0] + [1, 2].map { noises[noises.count * $0 / 3] } + [noises.last ?? 0]
        let groups =
            [("all", all)] + kinds.map { kind in (kind.rawValue, study.separation { $0.family == kind }) }
            + widths.map { size in
                ("widths \(size[0]), \(size[1])", study.separation { [$0.width, $0.hiddenWidth] == size })
            }
            + zip(cuts, cuts.dropFirst()).map { low, high in
                (
                    String(format: "noise %.2f to %.2f", low, high),
                    study.separation { $0.noise >= low && $0.noise <= high }
                )
            }
        try self.init(
            title: "Planted illusions", subtitle: study.isCalibration ? "calibration families" : "test families",
            verdict: .init(
                .neutral,
                String(
                    format: "AUC %.3f by the evidence, %.3f by the row test alone, over %d networks.", all.evidence,
                    all.rowTest, all.models)), schema: "suture.planted/1", data: study,
            blocks: [
                .paragraph(
                    "Small random networks whose truth is known, half of them with an illusory direction. The evidence is the "
                        + "dormancy score of the faithfulness report; the row test alone is how much of the effect the row part, "
                        + "made of length one or raw, loses. AUC: the chance that an illusory direction lies above a faithful one. The "
                        + "directions are constructed, not learned, and networks for calibration and for the test come from one "
                        + "generator, with other random seeds: this is no evidence for other kinds of networks."
                ),
                .table(
                    Table(
                        columns: [
                            "networks", .number("count"), .number("AUC, evidence"), .number("AUC, row test alone"),
                            .number("AUC, raw row test"),
                            .number("on the right side")
                        ],
                        rows: groups.map { name, found in
                            [
                                .init(name), .init("\(found.models)"), .init(String(format: "%.3f", found.evidence)),
                                .init(String(format: "%.3f", found.rowTest)),
                                .init(String(format: "%.3f", found.rawRowTest)), .init(Self.percent(found.right))
                            ]
                        })),
                .table(Self.readings(study, kinds)),
                .facts([
                    Fact(
                        "Threshold of the score",
                        String(
                            format: "%.3f, set on calibration families of other widths, activation and ranges",
                            DormancyScore.threshold)),
                    Fact("Best threshold on these networks", String(format: "%.3f", study.bestThreshold))
                ])
            ])
    }

    /// The AUC of each reading of the score by itself.
    private static func readings(_ study: PlantedStudy, _ kinds: [PlantedModel.Family.Kind]) -> Table {
        let readings: [(String, (DormancyScore) -> Double)] = [
            ("the whole does not carry it", { $0.created }), ("reads the kernel", { $0.readsKernel ?? 0 }),
            ("pushes beyond natural", { $0.pushed }), ("shrinks in whole channels", { $0.shrinks }),
            ("the row part is silent", { $0.silent ?? 0 })
        ]
        return Table(
            caption: "AUC of each reading by itself",
            columns: ["networks"] + readings.map { .number($0.0) },
            rows: kinds.map { kind in
                let models = study.models.filter { $0.family == kind }
                let cells = readings.map { _, value in
                    let auc = AUC.value(
                        models.filter(\.isIllusory).map { value($0.score) },
                        models.filter { !$0.isIllusory }.map { value($0.score) })
                    return Table.Cell(String(format: "%.3f", auc))
                }
                return [.init(kind.rawValue)] + cells
            })
    }
}
