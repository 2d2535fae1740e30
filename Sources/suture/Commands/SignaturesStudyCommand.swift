import ArgumentParser
import Foundation
import SutureKit

struct SignaturesStudyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signatures",
        abstract: "Robust weight signatures: what a patch of weights regains of the robustness that training gives.",
        discussion: """
            Trains a start, a standard model and a model for each corruption, and measures where they differ, what their \
            signatures regain, in how many bits, together, and on other models. The models are kept in --models: a run \
            that was interrupted goes on, another one measures again.

            suture reproduce signatures --data fashion-mnist --pad 32 --models study --report page.html
            """)

    @Option(help: "A data set with images for training and for tests.")
    var data: String

    @OptionGroup var size: ImageSizeOptions

    @Option(help: "The directory for the trained models.")
    var models: String

    @Option(help: "The network: \(ClassifierArchitecture.names.joined(separator: ", ")).")
    var architecture = SignatureStudy().architecture

    @Option(help: "A factor for all numbers of channels.")
    var width = SignatureStudy().width

    @Option(help: "Corruptions with their severities: fog:5,contrast:5.")
    var corruptions = CommaList(SignatureStudy.corruptions.map { CorruptionName($0) })

    @Option(help: "Epochs of the start.")
    var pretraining = SignatureStudy().pretrainingEpochs

    @Option(help: "Epochs of all that goes on from it.")
    var epochs = SignatureStudy().epochs

    @Option(help: "The part of a batch that robust training corrupts; 1 as in the paper, less keeps clean accuracy.")
    var corruptedShare = SignatureStudy().corruptedShare

    @Option(help: "Only the first images for training, so many.")
    var limit: Int?

    @Option(help: "Only these studies, beside what is regained: \(names.joined(separator: ", ")).")
    var studies: CommaList<SignatureStudy.Part>?

    @Option(help: "Random seed.")
    var seed: UInt64 = 1

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    private static let names = SignatureStudy.Part.allCases.map(\.rawValue)

    func validate() throws {
        guard ClassifierArchitecture.names.contains(architecture) else {
            throw ValidationError("--architecture is one of \(ClassifierArchitecture.names.joined(separator: ", ")).")
        }
        guard pretraining > 0, epochs > 0 else { throw ValidationError("--pretraining and --epochs are 1 or more.") }
        guard corruptedShare > 0, corruptedShare <= 1 else {
            throw ValidationError("--corrupted-share is above 0 and at most 1.")
        }
        if let limit, limit < 1 { throw ValidationError("--limit is 1 or more.") }
        _ = try corruptions.complete(option: "--corruptions")
    }

    func run() throws {
        try FilePlan(
            reading: ImageOptions.files(data), writing: [destination(models, .collection)] + reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        var study = SignatureStudy()
        (study.architecture, study.width, study.seed) = (architecture, width, seed)
        (study.pretrainingEpochs, study.epochs) = (pretraining, epochs)
        study.corruptedShare = corruptedShare
        study.corruptions = try corruptions.complete(option: "--corruptions")
        study.parts = Set(studies?.elements ?? SignatureStudy.Part.allCases)
        let all = try ImageSet(contentsOf: URL(filePath: data), split: .train, fit: size.fit())
        let train = try limit.map { try all.subset(Array(0..<min($0, all.count))) } ?? all
        let test = try ImageSet(contentsOf: URL(filePath: data), split: .test, fit: size.fit())
        let progress = printing.progress
        defer { progress.finish() }
        Interruption.keep("what is in \(models) is kept, and the same command goes on with it")
        let result = try study.run(train: train, test: test, models: URL(filePath: models), progress: progress.handler)
        progress.finish()
        let page = try Report(result)
        try reports.write(page)
        let shares = result.outcomes.map(\.regained)
        printing.show(page, quietly: String(format: "%.3f", shares.min() ?? 0))
    }
}

extension SignatureStudy.Part: ExpressibleByArgument {}
