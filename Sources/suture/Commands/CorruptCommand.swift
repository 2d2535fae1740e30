import ArgumentParser
import Foundation
import SutureKit

struct CorruptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corrupt", abstract: "Corrupt images with fog, noise, blur and the like.",
        discussion: """
            What is written is what ImageNet-C (CORRUPTION/SEVERITY/CLASS/NAME.png) or CIFAR-10-C (CORRUPTION.npy and \
            labels.npy) would be for these images. The same images, corruptions and seed give the same bytes. Pictures of \
            different sizes need --resize; a classifier that prepares pictures as these were is given them as they are.

            suture corrupt photos -o corrupted --corruptions fog:3 --resize 256 --center-crop 224 --limit 500
            suture corrupt cifar-10-batches-bin -o cifar-10-c --all --as arrays
            suture corrupt fashion-mnist --pad 32 --all --sheet sheet.png
            """)

    @Argument(help: "A data set, or a folder of PNG and JPEG files.")
    var data: String

    @Option(name: .shortAndLong, help: "The directory to write.")
    var output: String?

    // --corruption is what it was called first.
    @Option(
        name: [.customLong("corruptions"), .customLong("corruption")],
        help: "The corruptions, with commas between, each \(CorruptionOptions.form).")
    var corruptions: CommaList<CorruptionName>?

    @Flag(help: "All corruptions: \(Corruption.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var all = false

    @OptionGroup var amounts: CorruptionOptions

    @Option(help: "How the images are written: folders (PNG files) or arrays (.npy).")
    var `as` = ImageSet.Layout.folders

    @Option(help: "A PNG file to write that shows what is done to one image.")
    var sheet: String?

    @Option(help: "Which image the sheet shows.")
    var image = 0

    @OptionGroup var reading: ImageOptions

    @Option(help: "At most so many images, evenly spread over the set.")
    var limit: Int?

    @Option(help: "Random seed.")
    var seed: UInt64 = 1

    @Flag(help: "Write over what is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        try corruptions?.validate(option: "--corruptions")
        guard output != nil || sheet != nil else { throw ValidationError("Name an --output, a --sheet or both.") }
        guard all != (corruptions != nil) else { throw ValidationError("Give either --corruptions or --all.") }
        if let limit, limit < 1 { throw ValidationError("--limit is 1 or more.") }
    }

    func run() throws {
        try FilePlan(
            reading: ImageOptions.files(data),
            writing: [destination(output, .folder(.corruptedSet), force: force), destination(sheet, force: force)]
        ).check()
        let images = try reading.images(data, limit: limit)
        let names = corruptions?.elements ?? Corruption.Kind.allCases.map { CorruptionName($0) }
        let corruptions = amounts.corruptions(names, of: images)
        let picture = try sheet.map { _ in try images.contactSheet(of: corruptions, image: image, seed: seed).png() }
        if let output {
            let progress = printing.progress
            defer { progress.finish() }
            try images.writeCorrupted(
                by: corruptions, to: URL(filePath: output), as: `as`, seed: seed, fit: reading.size.fit(),
                overwriting: force,
                progress: progress.handler)
        }
        if let sheet, let picture { try AtomicFile.write(picture, to: URL(filePath: sheet), overwriting: force) }
        let report = try Report(
            CorruptedFiles(
                images, by: corruptions, seed: seed, output: output, sheet: sheet),
            title: "Corruption of \(URL(filePath: data).lastPathComponent)")
        printing.show(report, quietly: output ?? sheet ?? "")
    }
}

extension ImageSet.Layout: ExpressibleByArgument {}
