import Foundation
import SutureCore
import SutureTensor

/// How the next token is drawn: the filters of transformers, in their order.
///
/// Scores are divided by the temperature; then only the `topK` most likely tokens stay, of these the fewest that together
/// have the probability `topP` (nucleus sampling, arXiv 1904.09751), and of these the ones at least `minP` times as likely
/// as the first (arXiv 2407.01082). What stays is drawn by its probability.
public struct Sampling: Sendable {
    public let temperature: Double
    public let topK: Int?
    public let topP: Double?
    public let minP: Double?
    private var random: SeededGenerator

    /// Throws ``ModelError`` unless the temperature is above 0, `topK` at least 1, `topP` in (0, 1], `minP` in [0, 1].
    public init(
        temperature: Double = 1, topK: Int? = nil, topP: Double? = nil, minP: Double? = nil, seed: UInt64 = 0
    ) throws {
        func check(_ isRight: Bool, _ name: String, _ expected: String, _ found: Any) throws {
            guard isRight else {
                throw ModelError(
                    .outOfRange, "a setting of sampling is out of range", subject: name, expected: expected,
                    found: "\(found)")
            }
        }
        try check(temperature.isFinite && temperature > 0, "temperature", "above 0", temperature)
        if let topK { try check(topK > 0, "top-k", "1 or more", topK) }
        if let topP { try check(topP > 0 && topP <= 1, "top-p", "above 0, at most 1", topP) }
        if let minP { try check((0...1).contains(minP), "min-p", "0...1", minP) }
        (self.temperature, self.topK, self.topP, self.minP) = (temperature, topK, topP, minP)
        random = SeededGenerator(seed: seed)
    }

    /// The tokens that may come next, the most likely first, and their probabilities; of scores `[vocabulary]`.
    public func distribution(_ logits: Tensor) throws -> (tokens: [Int], probabilities: [Double]) {
        let sorted = try logits.to(.float64).sorted(descending: true)
        let all = Likely(try weights(sorted.values))
        let kept = filtered(all) ?? all
        return (
            try sorted.indices.narrowed(0, 0..<kept.weights.count).ints(), kept.weights.map { $0 / kept.total }
        )
    }

    /// Draws one token from scores `[vocabulary]`.
    public mutating func draw(_ logits: Tensor) throws -> Int {
        let drawn = Double(random.next() >> 11) * 0x1p-53
        if let token = try draw(drawn, amongTop: 256, of: logits.to(.float64)) { return token }
        let (tokens, probabilities) = try distribution(logits)
        var rest = drawn
        for (token, probability) in zip(tokens, probabilities) {
            rest -= probability
            if rest < 0 { return token }
        }
        return tokens[tokens.count - 1]
    }

    /// The same where the most likely tokens tell, as they nearly always do: sorting all takes much longer.
    private func draw(_ drawn: Double, amongTop count: Int, of logits: Tensor) throws -> Int? {
        guard count < logits.count else { return nil }
        let top = try logits.top(count)
        let total = try ((logits - logits.max()) / temperature).exp().sum().item()
        guard let kept = filtered(Likely(weights: try weights(top.values), total: total, isAll: false)) else {
            return nil
        }
        var rest = drawn
        for (place, weight) in kept.weights.enumerated() {
            rest -= weight / kept.total
            if rest < 0 { return try Int(top.indices.selected(0, place).item()) }
        }
        return nil
    }

    /// The most likely tokens' shares, in falling order.
    private struct Likely {
        var weights: [Double]
        /// The sum over all tokens that may come, also those that are not listed.
        var total: Double
        /// Whether no token is left out.
        var isAll: Bool

        init(weights: [Double], total: Double, isAll: Bool) {
            (self.weights, self.total, self.isAll) = (weights, total, isAll)
        }

        /// All tokens that may come.
        init(_ weights: [Double]) { self.init(weights: weights, total: weights.reduce(0, +), isAll: true) }
    }

    private func weights(_ sorted: Tensor) throws -> [Double] {
        let scores = try sorted.elements(as: Double.self)
        return scores.map { exp(($0 - scores[0]) / temperature) }
    }

    /// What the filters leave; nil where the tokens that are not listed would matter.
    private func filtered(_ likely: Likely) -> Likely? {
        var likely = likely
        func keep(_ kept: ArraySlice<Double>) -> Likely? {
            kept.count == likely.weights.count && !likely.isAll ? nil : Likely(Array(kept))
        }
        // Equal scores stay or go together.
        if let topK, topK < likely.weights.count || !likely.isAll {
            guard topK < likely.weights.count else { return nil }
            let last = likely.weights[topK - 1]
            guard let kept = keep(likely.weights.prefix { $0 >= last }) else { return nil }
            likely = kept
        }
        if let topP {
            var (sum, count) = (0.0, 0)
            while count < likely.weights.count, count == 0 || sum < topP * likely.total {
                sum += likely.weights[count]
                count += 1
            }
            guard let kept = keep(likely.weights.prefix(count)) else { return nil }
            likely = kept
        }
        if let minP {
            let least = minP * likely.weights[0]
            guard let kept = keep(likely.weights.prefix { $0 >= least }) else { return nil }
            likely = kept
        }
        return likely
    }
}
