import Foundation
import SutureCore
import SutureModels
import SutureTensor

/// What else a patch changes: the patched model against the original, on texts it should leave alone.
public struct SideEffects: Sendable, Codable {
    /// The number of texts, and of positions in them.
    public var texts = 0
    public var positions = 0
    /// KL(original || patched) in nats: the mean over positions, and the largest.
    public var divergence = 0.0
    public var largestDivergence = 0.0
    /// The share of positions with another most likely token.
    public var changedTop = 0.0
    /// exp(mean negative log-likelihood of the next token), before and after.
    public var perplexityBefore = 0.0
    public var perplexityAfter = 0.0

    /// Perplexity after, relative to before.
    public var perplexityRatio: Double { perplexityBefore > 0 ? perplexityAfter / perplexityBefore : 1 }

    /// Compares on texts of at least two tokens. Each is run once; the patched model is a replay of it.
    ///
    /// Throws ``RepairError`` with code `badRequest` where there is none: a guard that sees nothing guards nothing.
    public static func measure(
        _ change: WeightChange, on model: LanguageModel, texts: [[Int]],
        progress: ProgressHandler = { _, _, _ in }
    ) throws -> SideEffects {
        var sums = Sums()
        let lowest = change.lowestLayer
        let batches = Self.batches(texts.map { Array($0.prefix(model.architecture.contextLength)) })
        try model.traces(
            batches, capturing: lowest.map { [.mlpHidden($0)] } ?? [], from: lowest ?? model.architecture.layers - 1
        ) { index, trace in
            let batch = batches[index]
            let last = Site.residual(model.architecture.layers)
            let alternatives = batch.indices.map { Alternative(prompt: $0, change: change) }
            let patched = try change.isEmpty ? nil : trace.replay(alternatives, capturing: [last], logits: .none)[last]
            func rows(_ residual: Tensor) throws -> Tensor {
                try Tensor.concatenated(
                    batch.enumerated().map { try residual.selected(0, $0).narrowed(0, 0..<$1.count) }, 0)
            }
            let before = try rows(trace[last])
            let after = try patched.map(rows) ?? before
            let next = batch.flatMap { $0.dropFirst().map(Optional.some) + [nil] }
            for start in stride(from: 0, to: next.count, by: slice) {
                let part = start..<min(start + slice, next.count)
                func scores(_ residual: Tensor) throws -> Tensor {
                    try model.logits(ofResidual: residual.narrowed(0, part)).logSoftmax()
                }
                let old = try scores(before)
                try sums.add(Array(next[part]), old, patched == nil ? old : scores(after))
            }
            sums.effects.texts += batch.count
            progress("checking side effects", sums.effects.texts, texts.count)
        }
        guard sums.effects.positions > 0 else {
            throw RepairError(
                .badRequest, "nothing can be measured on these texts", expected: "a text of two tokens or more")
        }
        return sums.means
    }

    /// At how many positions the scores of all tokens are in memory at a time.
    private static let slice = 32

    /// Texts of at least two tokens, those of similar length together.
    private static func batches(_ texts: [[Int]]) -> [[[Int]]] {
        var batches: [[[Int]]] = []
        for text in texts.filter({ $0.count > 1 }).sorted(by: { $0.count < $1.count }) {
            if let last = batches.last, (last.count + 1) * text.count <= 64 {
                batches[batches.count - 1].append(text)
            } else {
                batches.append([text])
            }
        }
        return batches
    }

    /// What adds up over texts.
    private struct Sums {
        var effects = SideEffects()
        private var nllBefore = 0.0
        private var nllAfter = 0.0
        private var predicted = 0

        /// Takes in positions: the token that comes next (nil at a text's end), and the logarithms of the tokens'
        /// probabilities `[positions, vocabulary]`.
        mutating func add(_ next: [Int?], _ before: Tensor, _ after: Tensor) throws {
            // The difference of two rounded logarithms can fall below zero by rounding alone.
            let divergences = try (before.exp() * (before - after)).sum([1]).clamped(to: 0...Double.infinity)
            effects.divergence += try divergences.sum().item()
            effects.largestDivergence = max(effects.largestDivergence, try divergences.max().item())
            let changed = try before.argmax(1).ints()
            effects.changedTop += Double(zip(changed, try after.argmax(1).ints()).count { $0 != $1 })
            let tokens = try Tensor(next.map { $0 ?? 0 }, shape: [next.count, 1], device: before.device)
            let counts = try Tensor(
                next.map { $0 == nil ? Float(0) : 1 }, shape: [next.count, 1], device: before.device)
            nllBefore -= try (before.gathered(1, at: tokens) * counts).sum().item()
            nllAfter -= try (after.gathered(1, at: tokens) * counts).sum().item()
            predicted += next.count { $0 != nil }
            effects.positions += next.count
        }

        var means: SideEffects {
            guard effects.positions > 0 else { return effects }
            var means = effects
            means.divergence /= Double(effects.positions)
            means.changedTop /= Double(effects.positions)
            means.perplexityBefore = exp(nllBefore / Double(predicted))
            means.perplexityAfter = exp(nllAfter / Double(predicted))
            return means
        }
    }
}

/// What must not change, and by how much it may.
public struct Guard: Sendable, Codable, Equatable {
    /// The mean KL(original || patched), in nats a position.
    public var maximumDivergence = 0.01
    /// The share of positions with another most likely token.
    public var maximumChangedTop = 0.02
    /// Perplexity after, relative to before.
    public var maximumPerplexityRatio = 1.01

    /// The default limits.
    public init() {}

    /// Why the side effects are too large, one line for each limit; empty where they pass.
    public func objections(_ effects: SideEffects) -> [String] {
        let checks = [
            ("divergence", effects.divergence, maximumDivergence),
            ("changed most likely tokens", effects.changedTop, maximumChangedTop),
            ("perplexity ratio", effects.perplexityRatio, maximumPerplexityRatio)
        ]
        return checks.filter { !($0.1 <= $0.2) }.map { what, found, limit in
            let (found, limit) = Visible.apart(found, limit, digits: 4)
            return "\(what) \(found) is above \(limit)"
        }
    }
}
