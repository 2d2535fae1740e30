import ArgumentParser
import Foundation
import SutureKit

struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify", abstract: "Test a classifier of images: accuracy, and what it takes for what.",
        discussion: """
            Pictures that lie in one folder, whose name is no class, have no labels: what each is taken for is printed. A page \
            (--report) shows the pictures of mistakes, too.

            suture classify standard fashion-mnist --patch fog.safetensors --scale 0.8 --report page.html
            suture classify resnet18 photos
            """)

    @OptionGroup var model: ModelOptions

    @Argument(help: "A data set.")
    var data: String

    @OptionGroup var reading: ImageOptions

    @Option(help: "Only the images of one severity, 1...5, of a .npy file that holds five.")
    var severity: Int?

    @Option(help: "A patch to apply on load; may be given several times.")
    var patch: [String] = []

    @Option(help: "How much of the patches to apply; 1 is all, 0 nothing, less than 0 the opposite.")
    var scale = 1.0

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
    }

    func run() throws {
        try FilePlan(reading: [model.model] + patch + ImageOptions.files(data), writing: reports.outputs).check()
        let checkpoint = try model.checkpoint()
        let patches = try appliedPatches(patch, scale: scale)
        let classifier = try model.loadClassifier(checkpoint, patches: patches)
        Runtime.keepFreedMemory()
        let images = try reading.images(data, for: classifier.architecture, severity: severity)
        let progress = printing.progress
        defer { progress.finish() }
        let result = try classifier.classify(images, progress: progress.handler)
        progress.finish()
        let report = try Report(result, title: model.url.lastPathComponent)
        try reports.write(report)
        printing.show(report, quietly: Self.line(result))
    }

    /// The accuracy, or each picture and its answer.
    private static func line(_ result: Classification) -> String {
        if let evaluation = result.evaluation { return String(format: "%.4f", evaluation.accuracy) }
        return result.answers.map { "\(result.images.name(of: $0.image))\t\(result.classes[$0.best.label])" }
            .joined(separator: "\n")
    }
}
