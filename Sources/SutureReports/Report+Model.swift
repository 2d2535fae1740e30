import Foundation
import SutureFormats
import SutureModels

extension Report {
    /// What a language model is: its sizes, what it is stored as, and its sites.
    public init(of architecture: Architecture, _ checkpoint: Checkpoint, tokens: Int?, title: String) throws {
        let facts = ModelFacts(
            family: architecture.family, layers: architecture.layers, width: architecture.width,
            heads: architecture.heads,
            keyValueHeads: architecture.keyValueHeads, hiddenWidth: architecture.hiddenWidth,
            vocabulary: architecture.vocabulary,
            contextLength: architecture.contextLength,
            parameters: checkpoint.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) },
            storedAs: checkpoint.storageTypes, tokens: tokens,
            sites: [
                "residual.0 ... residual.\(architecture.layers)",
                "attn.0.head.0 ... attn.\(architecture.layers - 1).head.\(architecture.heads - 1)",
                "attn.L.heads", "attn.L.out", "mlp.L.hidden", "mlp.L.out", "logits"
            ])
        let stored = facts.storedAs.sorted { $0.key < $1.key }.map { "\($1) x \($0)" }.joined(separator: ", ")
        try self.init(
            title: title, schema: "suture.inspect/1", data: facts,
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
    }

    /// How far a model is from golden logits.
    public init(_ parity: Parity, tolerance: Double, passes: Bool, title: String) throws {
        let largest = String(format: "%.2g", parity.largestDifference)
        try self.init(
            title: title,
            verdict: .init(passes ? .good : .bad, "max |Δlogit| \(largest), tolerance \(tolerance)"),
            schema: "suture.parity/1", data: parity,
            blocks: [
                .table(parity.comparisons.allSatisfy { $0.tokens == 0 } ? Self.pictures(parity) : Self.prompts(parity))
            ])
    }

    private static func prompts(_ parity: Parity) -> Table {
        Table(
            columns: [
                "prompt", .number("tokens"), .number("logits compared"), .number("max |Δlogit|"),
                .number("greedy tokens equal")
            ],
            rows: parity.comparisons.map { comparison in
                [
                    .init(comparison.prompt), .init("\(comparison.tokens)"), .init("\(comparison.logits)"),
                    .init(String(format: "%.2g", comparison.largestDifference)),
                    .init(comparison.greedyTokens.map { "\(comparison.sameTokens ?? 0) of \($0)" } ?? "")
                ]
            })
    }

    private static func pictures(_ parity: Parity) -> Table {
        Table(
            columns: ["picture", .number("logits compared"), .number("max |Δlogit|")],
            rows: parity.comparisons.map { comparison in
                [
                    .init(comparison.prompt), .init("\(comparison.logits)"),
                    .init(String(format: "%.2g", comparison.largestDifference))
                ]
            })
    }
}

private struct ModelFacts: Encodable, Sendable {
    var family: String
    var layers, width, heads, keyValueHeads, hiddenWidth, vocabulary, contextLength: Int
    var parameters: Int
    var storedAs: [String: Int]
    var tokens: Int?
    var sites: [String]
}
