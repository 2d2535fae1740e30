import SutureCore
import SutureModels
import SutureTensor
import SutureTokenizers

extension SweepMap {
    /// Runs the sweep of one pair.
    ///
    /// Prompts of different length are patched at the words that have the same role in both. Throws ``SubspaceError`` for
    /// prompts that cannot be swept so.
    public init(
        _ kind: Kind, of pair: PromptPair, _ settings: Settings = Settings(), in model: LanguageModel,
        _ tokenizer: Tokenizer, modelName: String, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let tokens = try TokenizedPair(pair, tokenizer)
        let labels = tokens.base.enumerated().map { "\($0.offset) \(tokenizer.decode([$0.element]))" }
        try self.init(
            kind, pair, settings, [tokens], roles: SweepMap.roles([tokens]), labels: labels, model, tokenizer,
            modelName, progress)
    }

    /// Runs the sweep of many pairs: cells are means over them, with intervals.
    ///
    /// Of logit differences the mean is that of what is moved over that of what could be, so that pairs which hardly
    /// prefer an answer do not count more than others. Throws ``SubspaceError`` for pairs that cannot be swept together:
    /// prompts of different length need roles (``Prompt/roles``).
    public init(
        _ kind: Kind, of pairs: [PromptPair], _ settings: Settings = Settings(), in model: LanguageModel,
        _ tokenizer: Tokenizer, modelName: String, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard let first = pairs.first, kind != .trace, kind != .neurons || !settings.neurons.isEmpty else {
            throw SubspaceError(
                .badRequest, "these cannot be swept together", subject: kind.rawValue,
                expected: "pairs, and any kind but causal tracing or each pair's own strongest neurons",
                hint: kind == .neurons ? "choose neurons" : nil)
        }
        let tokens = try pairs.map { try TokenizedPair($0, tokenizer) }
        try self.init(
            kind, first, settings, tokens, roles: SweepMap.roles(tokens),
            labels: tokens[0].base.indices.map(String.init), model, tokenizer, modelName, progress)
        self.pairs = pairs.count
    }

    /// The places that pairs have in common: nil for all positions of prompts of one length, else their roles in order.
    private static func roles(_ pairs: [TokenizedPair]) throws -> [String]? {
        let length = pairs[0].base.count
        if pairs.allSatisfy({ $0.base.count == length && $0.source.count == length }) { return nil }
        let shared = pairs.reduce(Set(pairs[0].baseRoles.keys)) {
            $0.intersection($1.baseRoles.keys).intersection($1.sourceRoles.keys)
        }
        guard !shared.isEmpty else {
            throw SubspaceError(
                .badTokens, "prompts of different length can only be patched at words with the same role",
                expected: "\(length) tokens each, or roles in all prompts", found: "prompts without common roles",
                hint: "give roles: {\"text\": \"...\", \"roles\": {\"subject\": \"Rome\"}}")
        }
        return shared.sorted { (pairs[0].baseRoles[$0] ?? 0, $0) < (pairs[0].baseRoles[$1] ?? 0, $1) } + ["last"]
    }

    private init(
        _ kind: Kind, _ pair: PromptPair, _ settings: Settings, _ tokens: [TokenizedPair], roles: [String]?,
        labels: [String], _ model: LanguageModel, _ tokenizer: Tokenizer, _ modelName: String,
        _ progress: ProgressHandler
    ) throws {
        (self.model, self.kind) = (modelName, kind)
        (prompt, source) = (pair.base.text, pair.source.text)
        (answer, other) = (pair.answer, pair.other)
        let heads = (0..<model.architecture.heads).map { "\($0)" }
        switch kind {
        case .heads: columns = heads
        case .attribution where settings.component == .heads: columns = heads
        case .paths: columns = heads + ["MLP"]
        case .neurons where settings.neurons.isEmpty: columns = (1...max(1, settings.count)).map { "\($0)" }
        default: columns = roles ?? labels
        }
        (cells, clean) = ([], 0)
        progress("sweeping", 0, 1)
        if kind == .trace {
            try self.trace(model, tokens[0], pair.base.tokens(tokenizer).roles["subject"], settings, progress)
            return
        }
        (metric, direction) = (settings.measure.metric, settings.measure.direction)
        detail =
            kind == .paths
            ? settings.receiver.description : kind == .attribution ? settings.component.rawValue : nil
        let pairCount = tokens.count
        var grids: [[[Double]]] = []
        var spans: [Double] = []
        for (index, tokens) in tokens.enumerated() {
            let sweep: Sweep
            do { sweep = try Sweep(model, tokens, settings.measure, roles: roles) } catch let error as SubspaceError
                where pairCount > 1
            {
                throw SubspaceError(
                    error.code, error.problem, subject: "pair \(index + 1)", expected: error.expected,
                    found: error.found,
                    hint: error.hint)
            }
            if index == 0 { runs = try sweep.runs(tokenizer) }
            clean += sweep.clean
            spans.append(settings.measure.metric == .logitDifference ? sweep.span : 1)
            // Of one pair the steps of its sweep are told, of many the pairs.
            grids.append(try grid(of: sweep, settings) { if pairCount == 1 { progress("sweeping", $0, $1) } })
            if pairCount > 1 { progress("sweeping", index + 1, pairCount) }
        }
        clean /= Double(pairCount)
        guard grids.count > 1 else {
            cells = grids[0]
            return
        }
        let common = Bootstrap.estimate(mean: spans)
        guard settings.measure.metric != .logitDifference || common.low > 0 || common.high < 0 else {
            throw SubspaceError(
                .badRequest, "the logit differences of the pairs cancel, so that shares of them mean nothing",
                expected: "a mean that differs from 0",
                found: "\(common.value), between \(common.low) and \(common.high)",
                hint: "choose answers that the model prefers, or another metric")
        }
        let estimates = grids[0].indices.map { row in
            grids[0][row].indices.map { column in
                let moved = zip(grids, spans).map { $0[row][column] * $1 }
                return Bootstrap.estimate([moved, spans]) { $0[1] == 0 ? 0 : $0[0] / $0[1] }
            }
        }
        cells = estimates.map { $0.map(\.value) }
        intervals = estimates
    }

    /// The effects of one pair.
    private mutating func grid(
        of sweep: Sweep, _ settings: Settings, progress: (Int, Int) -> Void
    ) throws -> [[Double]] {
        switch kind {
        case .residual, .trace: return try sweep.positions(.residual)
        case .attention: return try sweep.positions(.attention)
        case .mlp: return try sweep.positions(.mlp)
        case .hidden: return try sweep.positions(.hidden)
        case .heads: return try sweep.heads()
        case .attribution: return try sweep.attributed(settings.component)
        case .paths: return try sweep.paths(to: settings.receiver) { progress($1, $2) }
        case .neurons where !settings.neurons.isEmpty:
            rows = settings.neurons.map(\.description)
            return try sweep.neurons(settings.neurons)
        case .neurons:
            let layers = 0..<sweep.model.architecture.layers
            let last = sweep.trace.length - 1
            let found = try layers.map { layer in
                progress(layer, layers.count)
                return try sweep.neurons(layer: layer, at: last, count: settings.count)
            }
            neurons = found.map { $0.map(\.neuron) }
            return found.map { $0.map(\.effect) }
        }
    }

    private mutating func trace(
        _ model: LanguageModel, _ tokens: TokenizedPair, _ subject: Range<Int>?, _ settings: Settings,
        _ progress: ProgressHandler
    ) throws {
        self.subject = settings.subject
        let trace = try CausalTrace(
            model, tokens.base, subject: subject ?? 0..<1, answer: tokens.answer, progress: progress)
        (cells, clean, noise, samples) = (trace.restored, trace.clean, trace.noise, trace.samples)
    }
}

extension Sweep {
    /// What the model says to base and source.
    fileprivate func runs(_ tokenizer: Tokenizer) throws -> [SweepMap.Run] {
        let isDenoising = measure.direction == .denoising
        return try (isDenoising ? [source, trace] : [trace, source]).map { trace in
            let logits = try trace.logits.squeezed(0)
            let top = try logits.softmax().top(min(3, logits.count))
            return SweepMap.Run(
                answer: try logits.selected(0, pair.answer).item(), other: try logits.selected(0, pair.other).item(),
                top: zip(try top.indices.ints(), try top.values.elements(as: Double.self)).map {
                    .init(text: tokenizer.decode([$0]), probability: $1)
                })
        }
    }
}
