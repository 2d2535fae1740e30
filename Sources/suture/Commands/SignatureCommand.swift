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
        subcommands: [Extract.self, Compare.self])

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
        @Option(help: "Only the first layers, so many.") var first: Int?
        @Option(help: "Only layers whose names begin so; may be repeated.") var layer: [String] = []
        @Option(help: "Running averages of batch norms: keep, delta.") var batchNorm = Signature.BatchNorm.keep
        @Option(help: "In this many bits for each weight, 1 to 16.") var bits: Int?
        @Option(help: "What the robust model was trained on, for the record.") var corruption: String?
        @Flag(help: "The plain difference of robust and standard model instead.") var plain = false
        @OptionGroup var result: PatchOutputOptions
        @OptionGroup var printing: OutputOptions

        func validate() throws {
            guard first == nil || layer.isEmpty else { throw ValidationError("Choose one of --first and --layer.") }
            if let first, first < 1 { throw ValidationError("--first is 1 or more, not \(first).") }
            if let bits, !(1...16).contains(bits) { throw ValidationError("--bits is 1...16, not \(bits).") }
        }

        func run() throws {
            var signature = Signature()
            if let first { signature.layers = .first(first) }
            if !layer.isEmpty { signature.layers = .named(layer) }
            if let bits { signature.form = .quantized(.init(bits: bits, perChannel: true, isSymmetric: true)) }
            signature.batchNorm = batchNorm
            signature.isProjected = !plain
            signature.corruption = corruption
            let model = try Checkpoint(URL(filePath: standard))
            let extraction = try signature.extract(
                pretrained: Checkpoint(URL(filePath: pretrained)), standard: model,
                robust: Checkpoint(URL(filePath: robust)), spool: result.spool())
            for name in extraction.ignored { note("left out: \(name)") }
            try extraction.patch.write(to: result.url, overwriting: result.force)
            if printing.format == .quiet { return print(result.output) }
            let bytes = try FileManager.default.attributesOfItem(atPath: result.url.path)[.size] as? Int ?? 0
            let whole = model.snapshot?.files.reduce(0) { $0 + $1.file.bytes.count } ?? 0
            var report = try ShowCommand.report(extraction.patch, title: result.url.lastPathComponent)
            report.blocks.append(
                .facts([
                    .init("Size", "\(bytes) bytes"),
                    .init(
                        "Compaction", String(format: "%.1f times smaller than the model", Double(whole) / Double(bytes))
                    )
                ]))
            printing.show(report, quietly: result.output)
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
                title: "\(URL(filePath: first).lastPathComponent) and \(URL(filePath: second).lastPathComponent)",
                verdict: .init(.neutral, "Cosine of all changes: \(cosine)."), schema: "suture.likeness/1",
                data: likeness,
                blocks: [
                    .table(
                        .init(
                            columns: [
                                .code("tensor"), .number("first norm"), .number("second norm"), .number("cosine")
                            ],
                            rows: likeness.tensors.map { tensor in
                                [.init(tensor.name)]
                                    + (tensor.norms + [tensor.cosine]).map { .init(String(format: "%.4g", $0)) }
                            }))
                ])
            printing.show(report, quietly: cosine)
        }
    }
}

extension Signature.BatchNorm: ExpressibleByArgument {}
