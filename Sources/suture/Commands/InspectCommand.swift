import ArgumentParser
import Foundation
import SutureKit

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a model is: family, sizes, sites, tokenizer.")

    @OptionGroup var model: ModelOptions
    @OptionGroup var printing: OutputOptions

    private struct Facts: Encodable, Sendable {
        var family: String
        var layers, width, heads, keyValueHeads, hiddenWidth, vocabulary, contextLength: Int
        var parameters: Int
        var storedAs: [String: Int]
        var tokens: Int?
        var sites: [String]
    }

    func run() throws {
        let checkpoint = try model.checkpoint()
        let architecture = try Architecture(config: checkpoint.config.value, source: checkpoint.config.path)
        let facts = Facts(
            family: architecture.family, layers: architecture.layers, width: architecture.width,
            heads: architecture.heads,
            keyValueHeads: architecture.keyValueHeads, hiddenWidth: architecture.hiddenWidth,
            vocabulary: architecture.vocabulary,
            contextLength: architecture.contextLength,
            parameters: checkpoint.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) },
            storedAs: checkpoint.storageTypes, tokens: try vocabularySize(checkpoint),
            sites: [
                "residual.0 ... residual.\(architecture.layers)",
                "attn.0.head.0 ... attn.\(architecture.layers - 1).head.\(architecture.heads - 1)",
                "attn.L.heads", "attn.L.out", "mlp.L.hidden", "mlp.L.out", "logits"
            ])
        let stored = facts.storedAs.sorted { $0.key < $1.key }.map { "\($1) x \($0)" }.joined(separator: ", ")
        let report = try Report(
            title: model.url.lastPathComponent, schema: "suture.inspect/1", data: facts,
            blocks: [
                .facts([
                    .init("Family", facts.family),
                    .init("Layers", "\(facts.layers) of width \(facts.width), MLP \(facts.hiddenWidth)"),
                    .init("Heads", "\(facts.heads), keys and values \(facts.keyValueHeads)"),
                    .init(
                        "Vocabulary",
                        "\(facts.vocabulary)" + (facts.tokens.map { ", tokenizer \($0)" } ?? ", no tokenizer")),
                    .init("Context", "\(facts.contextLength)"),
                    .init("Parameters", "\(facts.parameters)"),
                    .init("Tensors", stored),
                    .init("Sites", facts.sites.joined(separator: ", "))
                ])
            ])
        printing.show(report, quietly: facts.family)
    }

    /// nil for a snapshot without a tokenizer; one that cannot be read is an error.
    private func vocabularySize(_ checkpoint: Checkpoint) throws -> Int? {
        let file = checkpoint.url.appending(path: "tokenizer.json")
        if checkpoint.gguf == nil, !FileManager.default.fileExists(atPath: file.path) { return nil }
        return try Tokenizer(checkpoint).vocabularySize
    }
}
