import ArgumentParser
import SutureKit

struct PlantedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "planted",
        abstract: "How well illusions are found in small networks whose truth is known.",
        discussion: "suture reproduce planted --models 200")

    @Option(help: "How many networks of each family; half of them are illusory.")
    var models = 200

    @Option(help: "Seed of the first network.")
    var seed: UInt64 = 1_000_000

    @Flag(help: "Take the families that the threshold was calibrated on.")
    var calibration = false

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (2...100_000).contains(models) else { throw ValidationError("--models is 2...100000.") }
    }

    func run() throws {
        try FilePlan(reading: [String](), writing: reports.outputs).check()
        let progress = printing.progress
        defer { progress.finish() }
        let study = try PlantedStudy(isCalibration: calibration, count: models, seed: seed, progress: progress.handler)
        progress.finish()
        let page = try Report(study)
        try reports.write(page)
        let all = study.separation()
        printing.show(page, quietly: "\(all.evidence) \(all.rowTest)")
    }
}
