import ArgumentParser
import SutureKit

struct PlantedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "planted",
        abstract: "How well illusions are found in small networks whose truth is known.",
        discussion: """
            suture reproduce planted --models 200
            suture reproduce planted --learned --seed 1

            With --learned, DAS learns the directions, from random starts: in transformers that are assembled at random around
            a known circuit, and in small trained ones. The report has the AUC of the evidence and of each check by itself, and
            tries thresholds that were found on one family on the others.
            """)

    @Option(help: "How many networks of each family; half of them are illusory. (default: 200; 40 with --learned)")
    var models: Int?

    @Option(help: "Seed of the first network.")
    var seed: UInt64 = 1_000_000

    @Flag(help: "Take the families that the threshold was calibrated on.")
    var calibration = false

    @Flag(help: "Learn the directions, in networks of other families.")
    var learned = false

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        if learned, calibration {
            throw ValidationError("--calibration is of the constructed families: leave it out with --learned.")
        }
        guard (2...100_000).contains(models ?? 2) else { throw ValidationError("--models is 2...100000.") }
    }

    func run() throws {
        try FilePlan(reading: [String](), writing: reports.outputs).check()
        let progress = printing.progress
        defer { progress.finish() }
        if learned {
            let study = try LearnedStudy(count: models ?? 40, seed: seed, progress: progress.handler)
            progress.finish()
            let page = try Report(study)
            try reports.write(page)
            let found = study.families.compactMap { family in study.auc(family) { $0.score.value }?.value }
            printing.show(page, quietly: found.map { "\($0)" }.joined(separator: " "))
            return
        }
        let study = try PlantedStudy(
            isCalibration: calibration, count: models ?? 200, seed: seed, progress: progress.handler)
        progress.finish()
        let page = try Report(study)
        try reports.write(page)
        let all = study.separation()
        printing.show(page, quietly: "\(all.evidence) \(all.rowTest)")
    }
}
