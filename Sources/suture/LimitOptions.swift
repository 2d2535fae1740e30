import ArgumentParser
import SutureKit

/// How much a repair may do to other text.
struct LimitOptions: ParsableArguments {
    @Option(help: "Refuse a patch that diverges more: mean KL in nats a token.")
    var maxDivergence: Double?

    @Option(help: "Refuse a patch that changes a larger share of the most likely tokens, 0...1.")
    var maxChanged: Double?

    @Option(help: "Refuse a patch that raises perplexity on built-in held-out text by a larger factor, such as 1.01.")
    var maxPerplexity: Double?

    func validate() throws {
        if let maxDivergence, !(maxDivergence >= 0) { throw ValidationError("--max-divergence is not negative.") }
        if let maxChanged, !(0...1).contains(maxChanged) {
            throw ValidationError("--max-changed is 0...1, not \(maxChanged).")
        }
        if let maxPerplexity, !(maxPerplexity > 0) { throw ValidationError("--max-perplexity is above 0.") }
    }

    func set(_ limits: inout Guard) {
        if let maxDivergence { limits.maximumDivergence = maxDivergence }
        if let maxChanged { limits.maximumChangedTop = maxChanged }
        if let maxPerplexity { limits.maximumPerplexityRatio = maxPerplexity }
    }

    /// The options as they are given.
    var arguments: [String] {
        [("divergence", maxDivergence), ("changed", maxChanged), ("perplexity", maxPerplexity)].compactMap {
            name, limit in
            limit.map { "--max-\(name)=\($0)" }
        }
    }
}
