import SutureModels
import SutureTensor
import SutureTokenizers

/// What the model would say next if it ended before each of its layers (the logit lens, nostalgebraist 2020): the stream
/// there through the last norm and the head.
public struct LogitLens: Codable, Sendable {
    /// What would be said at one layer behind one token.
    public struct Cell: Codable, Sendable {
        /// The most likely token.
        public let token: String
        public let probability: Double
        /// Of the answer that was asked for.
        public let answer: Answer?

        /// A token's probability, and its rank: 1 for the most likely.
        public struct Answer: Codable, Sendable {
            public let probability: Double
            public let rank: Int
        }
    }

    /// The prompt's tokens.
    public let tokens: [String]
    /// Rows: the stream entering layer 0, 1, ... and leaving the last one; columns: the tokens.
    public let cells: [[Cell]]

    /// Runs a prompt once.
    ///
    /// Throws `ModelError` for a prompt that does not fit the model, ``SubspaceError`` for such an answer.
    public init(_ model: LanguageModel, _ prompt: [Int], answer: Int? = nil, _ tokenizer: Tokenizer) throws {
        let run = try Tensor.withoutGradients {
            try model.run([prompt], capturing: Self.sites(model), logits: .none)
        }
        try self.init(model, prompt, run, answer: answer, tokenizer)
    }

    /// What a run has to capture.
    static func sites(_ model: LanguageModel) -> [Site] { (0...model.architecture.layers).map(Site.residual) }

    /// The same of a run that captured ``sites(_:)``.
    init(_ model: LanguageModel, _ prompt: [Int], _ run: Activations, answer: Int?, _ tokenizer: Tokenizer) throws {
        if let answer, !(0..<model.architecture.vocabulary).contains(answer) {
            throw SubspaceError(
                .badTokens, "the answer is not in the vocabulary", expected: "0..<\(model.architecture.vocabulary)",
                found: "\(answer)")
        }
        tokens = prompt.map { tokenizer.decode([$0]) }
        cells = try Tensor.withoutGradients {
            try Self.sites(model).map { site in
                let scores = try model.logits(ofResidual: run[site]).squeezed(0)
                try scores.requireFinite("the scores at \(site)")
                let chances = try scores.softmax()
                let best = try chances.top(1)
                let (top, values) = (try best.indices.ints(), try best.values.elements(as: Double.self))
                let own = try answer.map { answer in
                    let column = try chances.narrowed(1, answer..<answer + 1)
                    // Of scores: probabilities of unlikely tokens are all 0.
                    let above = try (scores.narrowed(1, answer..<answer + 1) .< scores).to(.float32).sum([1]).elements(
                        as: Double.self)
                    return zip(try column.elements(as: Double.self), above).map {
                        Cell.Answer(probability: $0, rank: Int($1) + 1)
                    }
                }
                return top.indices.map {
                    Cell(token: tokenizer.decode([top[$0]]), probability: values[$0], answer: own?[$0])
                }
            }
        }
    }
}
