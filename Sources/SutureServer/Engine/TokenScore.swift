import SutureModels
import SutureTensor

/// A token of a text with its probability, and the most likely tokens in its place.
struct TokenScore: Sendable {
    struct Rival: Sendable {
        var token: Int
        /// The natural logarithm of its probability.
        var logProbability: Double
    }

    var token: Int
    var logProbability: Double
    /// The most likely first.
    var rivals: [Rival]

    /// Of scores `[vocabulary]`; temperature and filters change nothing here.
    init(_ token: Int, _ logits: Tensor, rivals count: Int) throws {
        let total = try logits.logSumExp().item()
        self.token = token
        logProbability = try logits.selected(0, token).item() - total
        guard count > 0 else {
            rivals = []
            return
        }
        let (values, indices) = try logits.top(min(count, logits.shape[0]))
        rivals = zip(try indices.ints(), try values.floats()).map {
            Rival(token: $0, logProbability: Double($1) - total)
        }
    }

    /// The tokens of a traced prompt behind its first one.
    static func prompt(_ trace: Trace, rivals count: Int) throws -> [TokenScore] {
        let tokens = trace.tokens[0]
        let stream = try trace[.residual(trace.model.architecture.layers)]
        var scores: [TokenScore] = []
        // A few positions at once: the scores of all tokens take room.
        for start in stride(from: 0, to: tokens.count - 1, by: 32) {
            let end = min(start + 32, tokens.count - 1)
            let logits = try trace.model.logits(ofResidual: stream.selected(0, 0).narrowed(0, start..<end))
            for place in start..<end {
                scores.append(try TokenScore(tokens[place + 1], logits.selected(0, place - start), rivals: count))
            }
        }
        return scores
    }
}
