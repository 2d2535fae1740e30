import ArgumentParser
import Foundation
import SutureKit

struct RobustnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "robustness", abstract: "Test a classifier on corrupted images, before and after signatures.",
        discussion: """
            suture robustness standard --data fashion-mnist --corruptions fog,gaussian_noise --severities 3,5 \\
              --signature fog.safetensors --scale 0.5 --scale 1 --report page.html
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: "A data set.")
    var data: String

    @OptionGroup var reading: ImageOptions

    @Option(help: "A signature, or another patch, that is added; may be repeated.")
    var signature: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: "How much of the signatures; may be repeated, to compare. 1 if not given.")
    var scale: [Double] = []

    @Flag(help: "The signatures were made for another model.")
    var transfer = false

    @Option(help: "The corruptions, each \(CorruptionOptions.form); if not given, the 15 of the standard benchmark.")
    var corruptions: CommaList<CorruptionName>?

    @OptionGroup var amounts: CorruptionOptions

    @Option(help: "A classifier whose errors are taken for 100%.")
    var baseline: String?

    @Option(help: "At most so many images, evenly spread over the set.")
    var limit: Int?

    @Option(help: "What corruptions draw from.")
    var seed: UInt64 = 1

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        try corruptions?.validate(option: "--corruptions")
        guard scale.isEmpty || !signature.isEmpty else { throw ValidationError("--scale needs a --signature.") }
        guard scale.allSatisfy(\.isFinite) else { throw ValidationError("--scale is a finite number.") }
        guard !transfer || !signature.isEmpty else { throw ValidationError("--transfer needs a --signature.") }
        if let limit, limit < 1 { throw ValidationError("--limit is 1 or more.") }
    }

    func run() throws {
        try FilePlan(
            reading: [model.model, baseline] + signature + ImageOptions.files(data), writing: reports.outputs
        ).check()
        Runtime.keepFreedMemory()
        let checkpoint = try model.checkpoint()
        let patches = try signature.map { path in
            let patch = try Patch(contentsOf: URL(filePath: path))
            return transfer ? try patch.transferred(to: checkpoint) : patch
        }
        let scales = signature.isEmpty ? [] : scale.isEmpty ? [1] : scale
        var classifiers = try [model.loadClassifier(checkpoint)]
        for scale in scales {
            classifiers.append(
                try model.loadClassifier(checkpoint, patches: patches.map { AppliedPatch($0, scale: scale) }))
        }
        if let baseline { classifiers.append(try model.loadClassifier(Checkpoint(opening: URL(filePath: baseline)))) }
        let results = try measure(classifiers)
        let comparison = RobustnessComparison(
            before: results[0], after: Array(zip(scales, results[1...])),
            baseline: baseline == nil ? nil : results.last,
            signatures: signature.map { URL(filePath: $0).lastPathComponent })
        let page = try Report(comparison, title: "Robustness of \(model.url.lastPathComponent)")
        try reports.write(page)
        let last = comparison.after.last?.robustness ?? comparison.before
        printing.show(page, quietly: String(format: "%.4f", last.meanCorruptionError))
    }

    private func measure(_ classifiers: [ImageClassifier]) throws -> [Robustness] {
        let images = try reading.images(data, for: classifiers[0].architecture, limit: limit)
        let names = corruptions?.elements ?? Corruption.Kind.allCases.filter { !$0.isExtra }.map { CorruptionName($0) }
        let corruptions = amounts.corruptions(names, of: images)
        let progress = printing.progress
        defer { progress.finish() }
        return try Robustness.measure(
            classifiers, on: images, under: corruptions, seed: seed, progress: progress.handler)
    }
}
