import ArgumentParser
import Foundation
import SutureKit

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write a model as a snapshot directory that other software loads.",
        discussion: "The quantized weights of a GGUF file become float32, unless another type is asked for.")

    @Argument(help: "A GGUF file or a snapshot directory.")
    var model: String

    @Option(help: "The type of the weights: f32, bf16, f16; else as they are.")
    var dtype: WeightType?

    @Option(help: "The most bytes of weights in a file, such as 500MB or 5GB.")
    var shardSize = ByteSize(bytes: 5_000_000_000)

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var printing: OutputOptions

    enum WeightType: String, ExpressibleByArgument, CaseIterable {
        case f32, bf16, f16

        var storage: StorageType { self == .f32 ? .float32 : self == .bf16 ? .bfloat16 : .float16 }
    }

    struct ByteSize: ExpressibleByArgument {
        let bytes: Int

        init(bytes: Int) { self.bytes = bytes }

        init?(argument: String) {
            let units = ["KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "": 1]
            let digits = argument.prefix { $0.isNumber }
            guard let count = Int(digits), let unit = units[argument.dropFirst(digits.count).uppercased()], count > 0,
                case (let bytes, false) = count.multipliedReportingOverflow(by: unit)
            else { return nil }
            self.bytes = bytes
        }

        var defaultValueDescription: String { "5GB" }
    }

    func run() throws {
        try result.check(reading: [], from: model)
        let checkpoint = try Checkpoint(opening: URL(filePath: model))
        // Nothing is written that could not be loaded; models of other families are copied as they are.
        if checkpoint.gguf != nil || Architecture.isFamily(checkpoint.config) { _ = try Architecture(checkpoint) }
        if dtype != nil, try !PatchedCheckpoint(checkpoint).present.patches.isEmpty {
            throw PatchError(
                .conflict, "a model with patches is not converted to another type", subject: model,
                hint: "its patches would no longer fit; revert them first")
        }
        try checkpoint.writeSnapshot(
            to: result.url, overwriting: result.force, shardSize: shardSize.bytes, as: dtype?.storage
        ) { directory in
            guard let file = checkpoint.gguf else { return }
            let tokenizer = try Tokenizer(gguf: file)
            try tokenizer.write(toSnapshot: directory)
            try tokenizer.writeGenerationFiles(of: file, toSnapshot: directory)
        }
        let report = try Report(converted: checkpoint, to: result.output)
        printing.show(report, quietly: result.output)
    }
}
