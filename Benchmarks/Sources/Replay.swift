import ArgumentParser
import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// The grid of activation patching: the residual stream of another prompt put in, at each layer and position in turn.
struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A sweep over all layers and positions by replay, beside a full run for each cell.")

    @Argument(help: "A GGUF file or a snapshot directory.") var model: String
    @Option(help: "The prompt that is run.") var prompt = "When Mary and John went to the store, John gave a drink to"
    @Option(help: "Where the patched values come from; as many tokens.")
    var source = "When Mary and John went to the store, Mary gave a drink to"
    @Option(help: "Full runs in a round; the whole grid's time is extrapolated from them.") var sample = 42
    @Option(help: "How often the two sides are measured, in turn.") var rounds = 3
    @Option(help: "Threads of one operator.") var threads = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Seed of the sample.") var seed: UInt64 = 1

    func validate() throws {
        guard rounds > 0, threads > 0, sample > 0 else {
            throw ValidationError("--rounds, --threads and --sample are positive")
        }
    }

    func run() throws {
        Runtime.threads = threads
        let checkpoint = try Checkpoint(URL(filePath: model))
        let tokenizer = try Tokenizer(checkpoint)
        let model = try LanguageModel.load(checkpoint)
        let tokens = tokenizer.encode(prompt).ids
        try Tensor.withoutGradients {
            let cells = try cells(model, tokens, tokenizer.encode(source).ids)
            let sampled = Array(try RandomSource(seed: seed).permutation(cells.count).prefix(sample))
            _ = try model.run([tokens], [cells[0]])
            printConditions(threads: threads, rounds: rounds)
            let measured = try (0..<rounds).map { _ in try round(model, tokens, cells, sampled) }

            let number = { (value: Double) in String(format: "%.2f", value) }
            let extrapolated = sampled.count < cells.count ? "  (from \(sampled.count) cells a round)" : ""
            print("\(model.architecture.layers) layers x \(tokens.count) positions = \(cells.count) cells")
            print("replay, recording included".left(32) + "\(number(median(measured.map(\.replay)))) s".right(10))
            print(
                "one full run for each cell".left(32) + "\(number(median(measured.map(\.full)))) s".right(10)
                    + extrapolated)
            print("full / replay".left(32) + number(median(measured.map { $0.full / $0.replay })).right(10))
            let difference = measured.map(\.difference).max() ?? .nan
            print("largest difference of a logit".left(32) + String(format: "%.1e", difference).right(10))
        }
    }

    /// Layer by layer, position by position: the other prompt's residual stream in place of the prompt's.
    private func cells(_ model: LanguageModel, _ tokens: [Int], _ other: [Int]) throws -> [Intervention] {
        guard other.count == tokens.count else {
            throw ValidationError("--prompt has \(tokens.count) tokens, --source \(other.count)")
        }
        let source = try model.trace([other])
        return try (0..<model.architecture.layers).flatMap { layer in
            try tokens.indices.map { position in
                let value = try source[.residual(layer)].narrowed(1, position..<position + 1)
                return Intervention(.residual(layer), at: .at([position]), .replace(value))
            }
        }
    }

    /// Seconds for the whole grid either way, and how far the two are apart on the sampled cells.
    private func round(_ model: LanguageModel, _ tokens: [Int], _ cells: [Intervention], _ sampled: [Int]) throws
        -> (replay: Double, full: Double, difference: Double)
    {
        var rows: [Tensor] = []
        let replay = try seconds {
            let trace = try model.trace([tokens])
            rows = [try trace.replay(cells.map { Alternative([$0]) }).logits]
        }
        var expected: [Tensor] = []
        let full = try seconds { expected = try sampled.map { try model.run([tokens], [cells[$0]]).logits } }
        let difference = try rows[0].indexSelected(0, at: sampled) - Tensor.concatenated(expected, 0)
        return (replay, full / Double(sampled.count) * Double(cells.count), try difference.abs().max().item())
    }
}
