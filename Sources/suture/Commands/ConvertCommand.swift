import ArgumentParser
import Foundation
import SutureKit

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write a model as a snapshot directory that other software loads.",
        discussion: "The quantized weights of a GGUF file become float32.")

    @Argument(help: "A GGUF file or a snapshot directory.")
    var model: String

    @OptionGroup var result: ModelOutputOptions
    @OptionGroup var printing: OutputOptions

    private struct Facts: Encodable, Sendable {
        var output: String
        var tensors: Int
    }

    func run() throws {
        let checkpoint = try Checkpoint(URL(filePath: model))
        try checkpoint.writeSnapshot(to: result.url, overwriting: result.force) { directory in
            if let file = checkpoint.gguf { try Tokenizer(gguf: file).write(toSnapshot: directory) }
        }
        let facts = Facts(output: result.output, tensors: checkpoint.tensors.count)
        let report = try Report(
            title: result.url.lastPathComponent, schema: "suture.convert/1", data: facts,
            blocks: [.facts([.init("Tensors", "\(facts.tensors)"), .init("Written to", facts.output)])])
        printing.show(report, quietly: result.output)
    }
}
