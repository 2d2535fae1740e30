import SutureModels
import SutureTensor

/// A run over a failure's prompt and answer (teacher forcing), and what becomes of it under changes.
public struct TeacherForcedRun: Sendable {
    public let failure: TokenizedFailure
    /// Of all layers, unless it was cut down to what a method needs.
    public let trace: Trace
    public var model: LanguageModel { trace.model }

    init(_ failure: TokenizedFailure, _ trace: Trace) {
        self.failure = failure
        self.trace = trace
    }

    /// Runs the model on the prompt and the answer.
    public init(_ failure: TokenizedFailure, on model: LanguageModel) throws {
        self.init(failure, try model.trace([failure.forced]))
    }

    /// The same run with what changes of some layers need: their hidden activations, and nothing below them.
    func changing(_ layers: some Collection<Int>) throws -> TeacherForcedRun {
        let lowest = layers.min() ?? model.architecture.layers
        return TeacherForcedRun(failure, try trace.keeping(from: lowest).capturing(layers.map(Site.mlpHidden)))
    }

    /// What the changed model makes of the answer.
    func gaps(_ change: WeightChange = WeightChange()) throws -> AnswerGaps { try measured(change, keysOf: []).gaps }

    /// The same, and the keys of some layers where the answer's tokens are written, `[answer, m]`.
    func measured(
        _ change: WeightChange = WeightChange(), keysOf layers: [Int]
    ) throws -> (gaps: AnswerGaps, keys: [Int: Tensor]) {
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
