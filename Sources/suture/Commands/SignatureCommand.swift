import ArgumentParser
import Foundation
import SutureKit

struct SignatureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signature", abstract: "Take what makes a model robust as a patch, and compare such patches.",
        discussion: """
            A signature is a patch of the standard model: suture apply --scale, combine, revert and apply --transfer use \
            it.
            """,
        subcommands: [Extract.self, ReEstimate.self, Compare.self])

    struct Extract: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "extract", abstract: "Take a robust weight signature of three models.",
            discussion: """
                All three come from the pretrained one: the standard model by training on clean data, the robust one by \
                training on corrupted data. What the robust model has in common with the standard one is left out.

                suture signature extract --pretrained P --standard S --robust R --bits 8 -o fog.safetensors
                """)

        @Option(help: "The model that both others come from.") var pretrained: String
        @Option(help: "The model that was trained on clean data: the signature is a patch of it.") var standard: String
        @Option(help: "The model that was trained on corrupted data.") var robust: String
        @Option(help: "Only the first layers, so many; batch norms go with the layer before them.") var first: Int?
        @Option(help: "Only layers whose names begin so; may be repeated.") var layer: [String] = []
        @Option(help: "Only the so many layers that change most, relative to their weights.") var largest: Int?
        @Option(
            help: """
                Only the fewest layers that make up this share of the change: 0.9 chooses them by itself. It is counted in \
                squares of the layers' relative changes.
                """) var share: Double?
        @Option(
            help: """
                Batch norms: keep their running averages; delta, averages change as weights do; replace, all norms become \
                those of the robust model.
                """)
        var batchNorm = SignatureExtraction.BatchNorm.keep
        @OptionGroup var quantization: BitOptions
        @Option(help: "What the robust model was trained on, for the record.") var corruption: String?
        @Flag(help: "The plain difference of robust and standard model instead.") var plain = false
        @OptionGroup var result: PatchOutputOptions
        @OptionGroup var printing: OutputOptions

        func validate() throws {
            guard [first != nil, !layer.isEmpty, largest != nil, share != nil].count(where: { $0 }) <= 1 else {
                throw ValidationError("Choose one of --first, --layer, --largest and --share.")
            }
            for (name, count) in [("--first", first), ("--largest", largest)] {
                if let count, count < 1 { throw ValidationError("\(name) is 1 or more, not \(count).") }
            }
            if let share, !(share > 0 && share <= 1) {
                throw ValidationError("--share is above 0 and at most 1, not \(share).")
            }
        }

        private var signature: SignatureExtraction {
            var signature = SignatureExtraction()
            if let first { signature.layers = .first(first) }
            if !layer.isEmpty { signature.layers = .named(layer) }
            if let largest { signature.layers = .largest(largest) }
            if let share { signature.layers = .share(share) }
            if let options = quantization.options { signature.form = .quantized(options) }
            signature.batchNorm = batchNorm
            signature.isProjected = !plain
            signature.corruption = corruption
            return signature
        }

        func run() throws {
            try result.check(reading: [pretrained, standard, robust])
            let model = try Checkpoint(opening: URL(filePath: standard))
            let extraction = try signature.extract(
                pretrained: Checkpoint(opening: URL(filePath: pretrained)), standard: model,
                robust: Checkpoint(opening: URL(filePath: robust)), spool: result.spool())
            try extraction.patch.write(to: result.url, overwriting: result.force)
            let report = try Report(
                extraction.patch, title: result.url.lastPathComponent, making: making(extraction, of: model))
            printing.show(report, quietly: result.output)
        }

        private func making(_ extraction: Extraction, of model: Checkpoint) throws -> PatchMaking {
            let files = try model.snapshot?.files.map(\.file.bytes.count) ?? [size(of: model.url)]
            return try PatchMaking(signature: extraction, bytes: size(of: result.url), modelBytes: files.reduce(0, +))
        }

        private func size(of url: URL) throws -> Int {
            try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int ?? 0
        }
    }

    struct Compare: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "compare", abstract: "Measure how alike two patches are, tensor by tensor.")

        @Argument(help: "A patch file.") var first: String
        @Argument(help: "Another one.") var second: String
        @OptionGroup var printing: OutputOptions

        func run() throws {
            let likeness = try PatchLikeness(
                Patch(contentsOf: URL(filePath: first)), Patch(contentsOf: URL(filePath: second)))
            let cosine = String(format: "%.4f", likeness.cosine)
            let report = try Report(
                likeness,
                title: "\(URL(filePath: first).lastPathComponent) and \(URL(filePath: second).lastPathComponent)")
            printing.show(report, quietly: cosine)
        }
    }
}

extension SignatureExtraction.BatchNorm: ExpressibleByArgument {}
