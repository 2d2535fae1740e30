import SutureModels
import SutureTensor

/// How far each token of an answer lies below the best other one, under teacher forcing.
struct AnswerGaps {
    /// The best other token in each place, and how far, in logits, it lies above the answer's.
    let rivals: [Int]
    let gaps: [Double]
    /// What the last norm divides by in each place: r.
    let scales: [Double]

    /// From the stream before the last norm where the answer is written, `[answer, d]`.
    init(_ model: LanguageModel, residual: Tensor, answer: [Int]) throws {
        scales = try model.finalScale(residual).squeezed(1).elements(as: Double.self)
        let logits = try model.logits(ofResidual: residual)
        let targets = try Tensor(answer, shape: [answer.count, 1], device: model.device)
        let wanted = try logits.taking(1, at: targets)
        // The two best tokens in each place: one of them is not the answer's.
        let top = try logits.top(2)
        let tokens = try top.indices.ints()
        let scores = try top.values.floats()
        let own = try wanted.floats()
        let picks = answer.indices.map { tokens[2 * $0] == answer[$0] ? 2 * $0 + 1 : 2 * $0 }
        rivals = picks.map { tokens[$0] }
        gaps = answer.indices.map { Double(scores[picks[$0]] - own[$0]) }
    }

    /// The places where another token is at least as likely as the answer's.
    var wrong: [Int] { gaps.indices.filter { gaps[$0] >= 0 } }
}

/// A run over a failure's prompt and answer (teacher forcing), and what becomes of it under changes.
struct LedRun {
    let failure: TokenizedFailure
    let trace: Trace

    init(_ failure: TokenizedFailure, _ trace: Trace) {
        self.failure = failure
        self.trace = trace
    }

    /// Keeps what changes of some layers need.
    init(_ failure: TokenizedFailure, on model: LanguageModel, layers: some Collection<Int>) throws {
        self.failure = failure
        trace = try model.trace(
            [failure.led], capturing: layers.map(Site.mlpHidden), from: layers.min() ?? model.architecture.layers)
    }

    /// What the changed model makes of the answer.
    func gaps(_ change: WeightChange = WeightChange()) throws -> AnswerGaps { try measured(change, keysOf: []).gaps }

    /// The same, and the keys of some layers where the answer's tokens are written, `[answer, m]`.
    func measured(
        _ change: WeightChange = WeightChange(), keysOf layers: [Int]
    ) throws -> (gaps: AnswerGaps, keys: [Int: Tensor]) {
        let model = trace.model
        let last = Site.residual(model.architecture.layers)
        func answered(_ value: Tensor) throws -> Tensor { try value.squeezed(0).narrowed(0, failure.places) }
        // What output projections read changes only above the lowest of those that are changed.
        let above = change.lowestLayer.map { lowest in layers.filter { $0 > lowest } } ?? []
        let replay =
            try change.isEmpty
            ? nil
            : trace.replay([Alternative(change: change)], capturing: [last] + above.map(Site.mlpHidden), logits: .none)
        var keys: [Int: Tensor] = [:]
        for layer in layers {
            let site = Site.mlpHidden(layer)
            keys[layer] = try answered(above.contains(layer) ? (replay?[site] ?? trace[site]) : trace[site])
        }
        let residual = try answered(replay?[last] ?? trace[last])
        return (try AnswerGaps(model, residual: residual, answer: failure.answer), keys)
    }
}
