import ArgumentParser
import Foundation
import SutureKit

struct ClassifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "classify", abstract: "Test a classifier of images: accuracy, and what it takes for what.",
        discussion: "suture classify standard fashion-mnist --patch fog.safetensors --scale 0.8")

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

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard scale.isFinite else { throw ValidationError("--scale is a finite number.") }
    }

    func run() throws {
        let checkpoint = try model.checkpoint()
        let patches = try patch.map { AppliedPatch(try Patch(contentsOf: URL(filePath: $0)), scale: scale) }
        let classifier = try model.loadClassifier(checkpoint, patches: patches)
        Runtime.keepFreedMemory()
        let images = try reading.images(data, for: classifier.architecture, severity: severity)
        let progress = printing.progress
        defer { progress.finish() }
        let evaluation = try classifier.evaluate(images, progress: progress.handler)
        progress.finish()
        let report = try Report(
            evaluation, classes: classifier.architecture.classes, title: model.url.lastPathComponent)
        printing.show(report, quietly: String(format: "%.4f", evaluation.accuracy))
    }
}
