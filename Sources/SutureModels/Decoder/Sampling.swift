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
        let scores = try sorted.values.elements(as: Double.self)
        var weights = scores.map { exp(($0 - scores[0]) / temperature) }
        // Equal scores stay or go together.
        if let topK, topK < scores.count { weights = weights.prefix { [last = weights[topK - 1]] in $0 >= last } }
        if let topP {
            let total = weights.reduce(0, +)
            var (sum, count) = (0.0, 0)
            while count < weights.count, count == 0 || sum < topP * total {
                sum += weights[count]
                count += 1
            }
            weights = Array(weights.prefix(count))
        }
        if let minP { weights = weights.prefix { $0 >= minP * weights[0] } }
        let total = weights.reduce(0, +)
        return (try sorted.indices.narrowed(0, 0..<weights.count).ints(), weights.map { $0 / total })
    }

    /// Draws one token from scores `[vocabulary]`.
    public mutating func draw(_ logits: Tensor) throws -> Int {
        let (tokens, probabilities) = try distribution(logits)
        var rest = Double(random.next() >> 11) * 0x1p-53
        for (token, probability) in zip(tokens, probabilities) {
            rest -= probability
            if rest < 0 { return token }
        }
        return tokens[tokens.count - 1]
    }
}
