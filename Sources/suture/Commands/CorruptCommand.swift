import ArgumentParser
import Foundation
import SutureKit

struct CorruptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corrupt", abstract: "Corrupt images with fog, noise, blur and the like.",
        discussion: """
            What is written is what ImageNet-C (CORRUPTION/SEVERITY/CLASS/*.png) or CIFAR-10-C (CORRUPTION.npy and \
            labels.npy) would be for these images. The same images, corruptions and seed give the same bytes.

            suture corrupt photos -o corrupted --corruption fog:3 --resize 224
            suture corrupt cifar-10-batches-bin -o cifar-10-c --all --as arrays
            suture corrupt fashion-mnist --pad 32 --all --sheet sheet.png
            """)

    @Argument(help: "A data set, or a folder of PNG and JPEG files.")
    var data: String

    @Option(name: .shortAndLong, help: "The directory to write.")
    var output: String?

    @Option(help: "A corruption such as fog:3, or fog for all that --severity says; may be given several times.")
    var corruption: [String] = []

    @Flag(help: "All corruptions: \(Corruption.Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
    var all = false

    @Option(help: "How much, 1...5, for corruptions that do not say so: 1,3,5.")
    var severity = "1,2,3,4,5"

    @Option(help: "Whose amounts: cifar, tiny or imagenet; else those of the images' size.")
    var profile: Corruption.Profile?

    @Option(help: "How the images are written: folders (PNG files) or arrays (.npy).")
    var `as` = ImageSet.Layout.folders

    @Option(help: "A PNG file to write that shows what is done to one image.")
    var sheet: String?

    @Option(help: "Which image the sheet shows.")
    var image = 0

    @OptionGroup var reading: ImageOptions

    @Option(help: "Random seed.")
    var seed: UInt64 = 1

    @Flag(help: "Write over what is there.")
    var force = false

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard output != nil || sheet != nil else { throw ValidationError("Name an --output, a --sheet or both.") }
        guard all != !corruption.isEmpty else { throw ValidationError("Give either --corruption or --all.") }
        _ = try severities()
        for text in corruption where Corruption.Kind(rawValue: text) == nil && Corruption(text) == nil {
            throw ValidationError("--corruption is one of the names in the help, fog or fog:3, not \"\(text)\".")
        }
    }

    private func severities() throws -> [Int] {
        try severity.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let number = Int(text), 1...5 ~= number else {
                throw ValidationError("--severity is a list such as 1,3,5.")
            }
            return number
        }
    }

    /// What is asked for, with the amounts for images of this size.
    private func corruptions(_ images: ImageSet) throws -> [Corruption] {
        let side = max(images.pixels.shape[2], images.pixels.shape[3])
        let usual = profile ?? (side <= 48 ? .cifar : side <= 128 ? .tiny : .imagenet)
        let severities = try severities()
        let texts = all ? Corruption.Kind.allCases.map(\.rawValue) : corruption
        return texts.flatMap { text -> [Corruption] in
            if let kind = Corruption.Kind(rawValue: text) {
                return severities.map { Corruption(kind, severity: $0, profile: usual) }
            }
            guard var one = Corruption(text) else { return [] }
            // A profile in the text goes before all others.
            if text.filter({ $0 == ":" }).count == 1 { one.profile = usual }
            return [one]
        }
    }

    func run() throws {
        try FilePlan(
            reading: ImageOptions.files(data),
            writing: [destination(output, .folder(.corruptedSet), force: force), destination(sheet, force: force)]
        ).check()
        let images = try reading.images(data)
        let corruptions = try corruptions(images)
        let picture = try sheet.map { _ in try images.contactSheet(of: corruptions, image: image, seed: seed).png() }
        if let output {
            let progress = printing.progress
            defer { progress.finish() }
            let total = images.count * corruptions.count
            try images.writeCorrupted(
                by: corruptions, to: URL(filePath: output), as: `as`, seed: seed, overwriting: force
            ) { completed in
                progress.report(.init("corrupting", completed: completed, total: total, unit: "images"))
            }
        }
        if let sheet, let picture { try AtomicFile.write(picture, to: URL(filePath: sheet), overwriting: force) }
        printing.show(try report(images, corruptions), quietly: output ?? sheet ?? "")
    }

    private struct Facts: Encodable, Sendable {
        var images: Int
        var size: [Int]
        var corruptions: [String]
        var seed: UInt64
        var output: String?
        var sheet: String?
    }

    private func report(_ images: ImageSet, _ corruptions: [Corruption]) throws -> Report {
        let facts = Facts(
            images: images.count, size: Array(images.pixels.shape[1...]), corruptions: corruptions.map(\.description),
            seed: seed, output: output, sheet: sheet)
        let profiles = Set(corruptions.map(\.profile.rawValue)).sorted().joined(separator: ", ")
        return try Report(
            title: "Corruption of \(URL(filePath: data).lastPathComponent)", schema: "suture.corrupt/1", data: facts,
            blocks: [
                .facts(
                    [
                        .init("Images", "\(images.count) of \(facts.size.map(String.init).joined(separator: " x "))"),
                        .init(
                            "Corruptions",
                            corruptions.count <= 3
                                ? facts.corruptions.joined(separator: ", ") : "\(corruptions.count)"),
                        .init("Amounts", profiles)
                    ] + (output.map { [.init("Written to", $0)] } ?? []) + (sheet.map { [.init("Sheet", $0)] } ?? []))
            ])
    }
}

extension ImageSet.Layout: ExpressibleByArgument {}
extension Corruption.Profile: ExpressibleByArgument {}
