import ArgumentParser
import Foundation
import SutureKit

struct AttentionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attention", abstract: "Draw which tokens heads attend to.",
        discussion: """
            suture attention model.gguf -p 'When Mary and John went to the store, John gave a drink to' \
              --head 23.4 --head 12.1 --report heads.html
            """)

    @OptionGroup var model: ChangedModelOptions

    @Option(name: .shortAndLong, help: "What the model reads.")
    var prompt: String

    @Option(help: ArgumentHelp("A head, as layer and number: 23.4; may be repeated.", valueName: "layer.head"))
    var head: [String] = []

    @Option(help: "All heads of this layer; may be repeated.")
    var layer: [Int] = []

    @OptionGroup var reports: ReportOptions

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        for text in head where Head(text) == nil {
            throw ValidationError("--head is a layer and a number such as 23.4, not \"\(text)\".")
        }
        if let layer = layer.first(where: { $0 < 0 }) { throw ValidationError("--layer is 0 or more, not \(layer).") }
        guard !head.isEmpty || !layer.isEmpty else { throw ValidationError("Name heads by --head 23.4 or --layer 23.") }
    }

    func run() throws {
        try FilePlan(reading: model.files, writing: reports.outputs).check()
        let checkpoint = try model.model.checkpoint()
        let tokenizer = try Tokenizer(checkpoint)
        let loaded = try model.load(checkpoint)
        let all = layer.flatMap { layer in
            (0..<loaded.architecture.heads).map { Head(layer: layer, index: $0) }
        }
        let view = try AttentionView(
            loaded, Prompt(prompt), heads: head.compactMap(Head.init) + all, tokenizer,
            modelName: model.name)
        let page = try Report(view)
        try reports.write(page)
        printing.show(page, quietly: view.strongest.map(\.description).joined(separator: "\n"))
    }
}
