import SutureModels

/// A right answer that later repairs must leave right, and a run of the original model from which it is asked for again.
struct HeldAnswer {
    /// Whose answer it is.
    enum Source: Hashable {
        /// A failure of the list, by its number from 1.
        case failure(Int)
        /// A failure that a patch of the model has repaired, by its place among all of these.
        case patch(Int)
        /// A guard case, by its number from 1.
        case guardCase(Int)
        /// A question that a failure says to keep, by the number of the failure from 1.
        case kept(by: Int)
    }
    let source: Source
    let failure: TokenizedFailure
    /// Reaches down to the lowest layer that was changed so far: what lies below need not be run again.
    private var trace: Trace?

    init(_ failure: TokenizedFailure, of source: Source, _ trace: Trace? = nil) {
        (self.failure, self.source, self.trace) = (failure, source, trace)
    }

    /// Whether `model` with this change still gives the answer.
    mutating func holds(in model: LanguageModel, with change: WeightChange) throws -> Bool {
        let lowest = change.lowestLayer ?? model.architecture.layers
        let run: Trace
        if let trace, trace.firstLayer <= lowest {
            run = trace
        } else {
            run = try model.trace([failure.forced], from: lowest)
            trace = run
        }
        let last = Site.residual(model.architecture.layers)
        let residual = try run.replay([Alternative(change: change)], capturing: [last])[last]
        let logits = try model.logits(ofResidual: residual.squeezed(0).narrowed(0, failure.places))
        return try AnswerScores(logits: logits, answer: failure.answer).wrong(failure.answer).isEmpty
    }
}
