import SutureCore
import SutureModels
import SutureTokenizers

/// A sweep of one pair of prompts, or the mean over many, as a table of effects: layers by positions, heads or neurons.
public struct SweepMap: Codable, Sendable {
    /// What is patched, or how the effect is found.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case residual, attention, mlp, hidden, heads, neurons, attribution, paths, trace
    }

    /// What a sweep needs besides its prompts.
    public struct Settings: Sendable {
        /// What is patched into what, and how an effect is told.
        public var measure = Sweep.Measure()
        /// Which component attribution estimates.
        public var component = Sweep.Component.residual
        /// What receives paths.
        public var receiver = Sweep.Receiver.logits
        /// How many neurons of each layer are patched at the last token, the strongest by attribution.
        public var count = 8
        /// The neurons that are patched instead, at each position.
        public var neurons: [Neuron] = []
        /// The part of the prompt whose embeddings tracing disturbs.
        public var subject: String?

        /// The default settings.
        public init() {}
    }

    /// What the model says to one of the prompts.
    public struct Run: Codable, Sendable {
        /// The scores of answer and rival.
        public var answer, other: Double
        /// The most likely next tokens and their probabilities.
        public var top: [Token]

        /// A token and its probability.
        public struct Token: Codable, Sendable {
            public var text: String
            public var probability: Double
        }
    }

    public var model: String
    public var kind: Kind
    /// The prompts and answers; of many pairs, those of the first.
    public var prompt, source, answer, other: String
    /// Layers, or chosen neurons (rows) x positions, heads or neurons (columns).
    public var cells: [[Double]]
    public var columns: [String]
    /// The logit difference of the clean prompt, of many pairs the mean; of tracing, the answer's probability there.
    public var clean: Double
    /// What the rows are, where they are not layers: chosen neurons.
    public var rows: [String]?
    /// The neurons of each row, where the strongest of each layer were patched.
    public var neurons: [[Neuron]]?
    /// The part of the prompt that was disturbed, where tracing did so.
    public var subject: String?
    /// How an effect is told, and which run was patched.
    public var metric: Sweep.Metric?
    public var direction: Sweep.Direction?
    /// What the model says to prompt and source.
    public var runs: [Run]?
    /// What receives paths, or which component attribution estimates.
    public var detail: String?
    /// The noise of tracing, in units of the deviation of the embeddings, and how often it was drawn.
    public var noise: Double?
    public var samples: Int?
    /// How many pairs the cells are means of, and their 95% bootstrap intervals.
    public var pairs: Int?
    public var intervals: [[Estimate]]?

    /// The cell with the largest effect; nil of an empty table.
    public var largest: (layer: Int, column: Int, effect: Double)? { strongest(1).first }

    /// The cells with the largest effects, by size.
    public func strongest(_ count: Int) -> [(layer: Int, column: Int, effect: Double)] {
        let all = cells.enumerated().flatMap { row in
            row.element.enumerated().map { (layer: row.offset, column: $0.offset, effect: $0.element) }
        }
        return Array(all.sorted { abs($0.effect) > abs($1.effect) }.prefix(count))
    }
}
