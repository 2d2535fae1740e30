import SutureCore
import SutureModels
import SutureTokenizers

/// A sweep of one pair of prompts as a table of effects, layers by positions, heads or neurons.
public struct SweepMap: Codable, Sendable {
    /// What is patched, or how the effect is found.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case residual, attention, mlp, hidden, heads, neurons, attribution, paths, trace
    }

    /// What a sweep needs besides its prompts.
    public struct Settings: Sendable {
        /// Which component attribution estimates.
        public var component = Sweep.Component.residual
        /// What receives paths.
        public var receiver = Sweep.Receiver.logits
        /// How many neurons of each layer are patched at the last token, the strongest by attribution.
        public var neurons = 8
        /// The part of the prompt whose embeddings tracing disturbs.
        public var subject: String?

        public init() {}
    }

    public var model: String
    public var kind: Kind
    public var prompt, source, answer, other: String
    /// Layers (rows) x positions, heads or neurons (columns).
    public var cells: [[Double]]
    public var columns: [String]
    /// The logit difference of the clean prompt; of tracing, the answer's probability there.
    public var clean: Double
    /// The neurons of each row, where neurons were patched.
    public var neurons: [[Neuron]]?
    /// The part of the prompt that was disturbed, where tracing did so.
    public var subject: String?

    /// Runs the sweep.
    ///
    /// Throws ``SubspaceError`` for prompts that cannot be swept so.
    public init(
        _ kind: Kind, of pair: PromptPair, _ settings: Settings = Settings(), in model: LanguageModel,
        _ tokenizer: Tokenizer, modelName: String, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let tokens = try TokenizedPair(pair, tokenizer)
        (self.model, self.kind) = (modelName, kind)
        (prompt, source) = (pair.base.text, pair.source.text)
        (answer, other) = (pair.answer, pair.other)
        let heads = (0..<model.architecture.heads).map { "\($0)" }
        switch kind {
        case .heads: columns = heads
        case .paths: columns = heads + ["MLP"]
        case .neurons: columns = (1...max(1, settings.neurons)).map { "\($0)" }
        default: columns = tokens.base.enumerated().map { "\($0.offset) \(tokenizer.decode([$0.element]))" }
        }
        progress("sweeping", 0, 1)
        if kind == .trace {
            subject = settings.subject
            let trace = try CausalTrace(
                model, tokens.base, subject: pair.base.tokens(tokenizer).roles["subject"] ?? 0..<1,
                answer: tokens.answer,
                progress: progress)
            (cells, clean) = (trace.restored, trace.clean)
            return
        }
        let sweep = try Sweep(model, tokens)
        clean = sweep.clean
        switch kind {
        case .residual: cells = try sweep.positions(.residual)
        case .attention: cells = try sweep.positions(.attention)
        case .mlp: cells = try sweep.positions(.mlp)
        case .hidden: cells = try sweep.positions(.hidden)
        case .heads: cells = try sweep.heads()
        case .attribution: cells = try sweep.attributed(settings.component)
        case .paths, .trace: cells = try sweep.paths(to: settings.receiver, progress: progress)
        case .neurons:
            let layers = 0..<model.architecture.layers
            let found = try layers.map { layer in
                progress("sweeping", layer, layers.count)
                return try sweep.neurons(layer: layer, at: tokens.base.count - 1, count: settings.neurons)
            }
            cells = found.map { $0.map(\.effect) }
            neurons = found.map { $0.map(\.neuron) }
        }
    }

    /// The cell with the largest effect; nil of an empty table.
    public var largest: (layer: Int, column: Int, effect: Double)? {
        cells.enumerated().flatMap { row in
            row.element.enumerated().map { (layer: row.offset, column: $0.offset, effect: $0.element) }
        }.max { abs($0.effect) < abs($1.effect) }
    }
}
