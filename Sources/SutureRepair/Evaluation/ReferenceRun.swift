import SutureModels
import SutureTensor

/// Texts as a model reads them, resumed under changes of the weights: what they change there.
public struct ReferenceRun: Sendable {
    private let trace: Trace
    /// The positions of each text whose next token counts.
    private let positions: [Range<Int>]
    /// The logarithms of the probabilities of the next tokens there, one text after the other, `[positions, vocabulary]`.
    private let before: Tensor

    /// Runs the model on texts, in one batch.
    ///
    /// - Parameters:
    ///   - model: the model as it is.
    ///   - texts: the texts; those of similar length take the least time.
    ///   - positions: those of each text whose next token counts; nil for all.
    ///   - firstLayer: the lowest layer that may be changed.
    public init(
        _ model: LanguageModel, _ texts: [[Int]], positions: [Range<Int>]? = nil, from firstLayer: Int = 0
    ) throws {
        trace = try model.trace(texts, from: firstLayer)
        self.positions = positions ?? texts.map { 0..<$0.count }
        before = try Self.scores(model, trace[.residual(model.architecture.layers)], self.positions)
    }

    /// The answer of a failure, under teacher forcing.
    public init(_ model: LanguageModel, _ failure: TokenizedFailure, from firstLayer: Int = 0) throws {
        try self.init(model, [failure.forced], positions: [failure.places], from: firstLayer)
    }

    private static func scores(_ model: LanguageModel, _ residual: Tensor, _ positions: [Range<Int>]) throws -> Tensor {
        let rows = try positions.enumerated().map { try residual.selected(0, $0).narrowed(0, $1) }
        return try model.logits(ofResidual: Tensor.concatenated(rows, 0)).logSoftmax()
    }

    /// The same logarithms under a change.
    private func after(_ change: WeightChange) throws -> Tensor {
        let last = Site.residual(trace.model.architecture.layers)
        let replay = try trace.replay(
            prompts: Array(positions.indices), change: change, capturing: [last], logits: .none)
        return try Self.scores(trace.model, replay[last], positions)
    }

    /// How far a change moves what is written here.
    public func divergence(_ change: WeightChange) throws -> Divergence {
        let after = try after(change)
        let moved = try zip(before.argmax(1).ints(), after.argmax(1).ints()).count { $0 != $1 }
        // The difference of two rounded logarithms can fall below zero by rounding alone.
        let sum = try (before.exp() * (before - after)).sum([1]).clamped(to: 0...Double.infinity).sum().item()
        return Divergence(sum: sum, changedTop: moved, positions: before.shape[0])
    }

    /// The most likely next token at each position; with no change, as it is.
    func top(_ change: WeightChange? = nil) throws -> [Int] { try (change.map(after) ?? before).argmax(1).ints() }

    /// The share of an answer's tokens, one for each position, that are the most likely there; with no change, as it is.
    public func share(of answer: [Int], _ change: WeightChange? = nil) throws -> Double {
        let top = try top(change)
        return Double(zip(top, answer).count { $0 == $1 }) / Double(max(1, answer.count))
    }
}

/// How far a change moves what a model writes; adds up over texts.
public struct Divergence: Sendable, Codable, Equatable {
    /// The sum of KL(original || changed) over positions, in nats.
    public var sum = 0.0
    /// At how many positions another token is the most likely.
    public var changedTop = 0
    public var positions = 0

    /// Sums over positions: of the divergence, and of those with another most likely token.
    public init(sum: Double = 0, changedTop: Int = 0, positions: Int = 0) {
        (self.sum, self.changedTop, self.positions) = (sum, changedTop, positions)
    }

    /// KL(original || changed), the mean over positions.
    public var mean: Double { sum / Double(max(1, positions)) }
    /// The share of positions with another most likely token.
    public var changedShare: Double { Double(changedTop) / Double(max(1, positions)) }

    /// Adds what was found on other texts.
    public static func += (divergence: inout Divergence, more: Divergence) {
        divergence.sum += more.sum
        divergence.changedTop += more.changedTop
        divergence.positions += more.positions
    }

    /// What runs come to together.
    public init(_ runs: [ReferenceRun], _ change: WeightChange) throws {
        for run in runs { self += try run.divergence(change) }
    }
}
