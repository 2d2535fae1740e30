import SutureTensor

/// A recorded run: the values that were asked for, and what a replay needs to resume it.
///
/// Kept for every layer from ``firstLayer``: the residual stream entering it and after its attention,
/// `[batch, positions, width]`, and its keys and values. A replay (``replay(_:capturing:logits:)``) then
/// computes only what lies behind a change.
public struct Trace: Sendable {
    public let model: LanguageModel
    /// The prompts, as token ids.
    public let tokens: [[Int]]
    /// The scores of the next token after each prompt, `[batch, vocabulary]`.
    public let logits: Tensor
    /// The lowest layer that replays can resume at.
    public let firstLayer: Int
    /// residuals[l - firstLayer] enters layer l; the last one leaves the last layer.
    private let residuals: [Tensor]
    /// middles[l - firstLayer] is the residual stream between attention and MLP of layer l.
    private let middles: [Tensor]
    private let keyValues: [KeyValues]
    /// The keys and values of layers that other processes hold.
    private let distant: DistantKeys?
    let captured: [Site: Tensor]

    /// The values at a site, `[batch, positions, width]`. Residual sites are always there.
    ///
    /// Throws ``ModelError`` with code `notCaptured` if the run did not keep them.
    public subscript(site: Site) -> Tensor {
        get throws {
            if case .residual(let layer) = site, residuals.indices.contains(layer - firstLayer) {
                return residuals[layer - firstLayer]
            }
            return try Activations(firstPosition: 0, logits: logits, captured: captured)[site]
        }
    }

    /// The number of positions of the longest prompt.
    public var length: Int { residuals[0].shape[1] }

    /// The residual stream at an entry; the trace reaches down to it.
    func stream(_ entry: Entry) -> ResidualStream {
        let entering = residuals[entry.layer - firstLayer]
        guard entry.stage == .mlp else { return ResidualStream(residual: entering) }
        return ResidualStream(
            residual: middles[entry.layer - firstLayer], entering: model.architecture.isParallel ? entering : nil)
    }

    /// Whether it is of all layers, so that its text can be continued.
    var isWhole: Bool { firstLayer == 0 || (distant != nil && firstLayer == model.distantEnd) }

    /// Why nothing is known of a layer: the trace was not asked for it, or another process holds it.
    func unreached(_ layer: Int) -> ModelError {
        if let ring = model.ring, layer < model.distantEnd ?? 0 { return ring.elsewhere("layer \(layer)") }
        return ModelError(
            .notCaptured, "the trace does not reach down to this layer", expected: "layer \(firstLayer) or later",
            found: "layer \(layer)")
    }

    /// What a text that goes on behind it has seen.
    var seen: DecodingSession.Seen {
        let layers = keyValues.enumerated().map { (firstLayer + $0, $1) }
        return DecodingSession.Seen(layers: Dictionary(uniqueKeysWithValues: layers), distant: distant)
    }

    func keyValues(_ layer: Int) -> KeyValues { keyValues[layer - firstLayer] }

    init(
        _ model: LanguageModel, tokens: [[Int]], logits: Tensor, firstLayer: Int, residuals: [Tensor],
        middles: [Tensor], keyValues: [KeyValues], distant: DistantKeys?, captured: [Site: Tensor]
    ) {
        self.model = model
        self.tokens = tokens
        self.logits = logits
        self.firstLayer = firstLayer
        self.residuals = residuals
        self.middles = middles
        self.keyValues = keyValues
        self.distant = distant
        self.captured = captured
    }
}

extension LanguageModel {
    /// Runs prompts and records what replays need, and the values at the sites of `capturing`.
    ///
    /// Capturing `mlp.l.hidden` lets replays of neuron edits in layer l start behind that layer. A trace from a higher
    /// layer is smaller, and replays cannot change what lies below it.
    ///
    /// `changing` may disturb the embeddings `[batch, positions, width]`: replays then resume the disturbed run.
    public func trace(
        _ tokens: [[Int]], capturing: [Site] = [], from firstLayer: Int = 0,
        changing embeddings: (Tensor) throws -> Tensor = { $0 }
    ) throws -> Trace {
        try check(tokens: tokens)
        try check([], capturing, lengths: [])
        try check(firstLayer: firstLayer)
        let length = tokens.map(\.count).max() ?? 0
        let forward = try Forward(self, positions: 0..<length, capturing: Set(capturing))
        let stream = ResidualStream(residual: try embeddings(forward.embed(padded(tokens))))
        return try trace(
            tokens, forward, from: .entering(0), stream, record: Trace.Record(of: self, from: firstLayer))
    }

    /// Throws unless a trace can begin at this layer.
    func check(firstLayer: Int) throws {
        guard (0...architecture.layers).contains(firstLayer) else {
            throw ModelError(
                .outOfRange, "the model has no such layer", expected: "0...\(architecture.layers)",
                found: "\(firstLayer)")
        }
    }

    /// Runs the stages from an entry on, and adds what they are given to a record.
    fileprivate func trace(
        _ tokens: [[Int]], _ forward: Forward, from start: Entry, _ stream: ResidualStream, record: Trace.Record
    ) throws -> Trace {
        var record = record
        let residual = try forward.run(start..<Entry.entering(architecture.layers), stream, visitor: &record).residual
        return try traced(tokens, forward, residual, record)
    }

    /// The trace of a run with what left its last layer.
    func traced(_ tokens: [[Int]], _ forward: Forward, _ residual: Tensor, _ record: Trace.Record) throws -> Trace {
        let lasts = tokens.map { $0.count - 1 }
        let logits = try forward.scores(residual, .last, lasts: Set(lasts).count == 1 ? nil : lasts)
        return Trace(
            self, tokens: tokens, logits: logits, firstLayer: record.firstLayer,
            residuals: record.residuals + [residual], middles: record.middles, keyValues: record.keyValues,
            distant: record.distant, captured: record.captured.merging(forward.captured) { $1 })
    }
}

extension Trace {
    /// What is kept of a run on its way.
    struct Record: LayerVisitor {
        let firstLayer: Int
        var residuals: [Tensor] = []
        var middles: [Tensor] = []
        var keyValues: [KeyValues] = []
        var distant: DistantKeys?
        var captured: [Site: Tensor] = [:]
        /// Needed for a text that goes on behind a trace of all layers.
        let keepsDistant: Bool

        /// From a layer on, or from the first that this process holds.
        init(of model: LanguageModel, from layer: Int) {
            firstLayer = max(layer, model.distantEnd ?? 0)
            keepsDistant = firstLayer == model.distantEnd
        }

        mutating func enter(_ entry: Entry, _ stream: ResidualStream) -> ResidualStream {
            guard entry.layer >= firstLayer else { return stream }
            switch entry.stage {
            case .attention: residuals.append(stream.residual)
            case .mlp: middles.append(stream.residual)
            }
            return stream
        }

        mutating func keep(_ seen: KeyValues, of layer: Int) {
            if layer >= firstLayer { keyValues.append(seen) }
        }

        mutating func keep(_ distant: DistantKeys) { self.distant = distant }
    }

    /// The trace of the model with its weights changed: only the layers from the lowest changed one on are run.
    ///
    /// Throws ``ModelError`` where the trace does not reach down to that layer.
    public func applying(_ change: WeightChange) throws -> Trace {
        let changed = try model.applying(change)
        guard let lowest = change.lowestLayer else { return self }
        guard lowest >= firstLayer else { throw unreached(lowest) }
        let behind = lowest - firstLayer
        let sites = captured.keys.filter { $0.entry >= Entry(layer: lowest, stage: .mlp) }
        let forward = try Forward(changed, positions: 0..<length, capturing: Set(sites))
        var record = Record(of: model, from: firstLayer)
        (record.residuals, record.middles) = (Array(residuals[...behind]), Array(middles[..<behind]))
        (record.keyValues, record.distant, record.captured) = (Array(keyValues[...behind]), distant, captured)
        let start = Entry(layer: lowest, stage: .mlp)
        return try changed.trace(tokens, forward, from: start, stream(start), record: record)
    }

    /// What the MLP of a layer reads in other texts that begin with the first `count` tokens of this one, behind these,
    /// `[texts, positions, width]`; where a text is shorter than others it means nothing.
    ///
    /// Throws ``ModelError`` unless the trace is of one prompt and of all layers, and where a text does not fit the model.
    public func mlpInputs(_ layer: Int, behind count: Int, _ continuations: [[Int]]) throws -> Tensor {
        guard tokens.count == 1, isWhole, (0...length).contains(count) else {
            throw ModelError(
                .invalidReplay, "only a trace of one prompt and of all layers can be continued",
                expected: "behind 0...\(length) of its tokens",
                found: "behind \(count), in \(tokens.count) prompts from layer \(firstLayer)")
        }
        try model.check(Neuron(layer: layer, index: 0))
        try model.check(tokens: continuations)
        let longest = continuations.map(\.count).max() ?? 0
        guard count + longest <= model.architecture.contextLength else {
            throw ModelError(
                .outOfRange, "the text does not fit the model",
                expected: "\(model.architecture.contextLength) tokens at most", found: "\(count + longest)",
                hint: model.architecture.lengthHint)
        }
        var opening = Opening(trace: self, length: count, rows: Array(repeating: 0, count: continuations.count))
        let forward = try Forward(model, positions: count..<count + longest)
        let stream = try forward.run(
            .entering(0)..<Entry(layer: layer, stage: .mlp),
            ResidualStream(residual: forward.embed(model.padded(continuations))), visitor: &opening)
        return try model.mlpInput(layer: layer, stream: stream.read)
    }

    /// The first positions of a traced prompt, before each of several texts.
    private struct Opening: LayerVisitor {
        let trace: Trace
        let length: Int
        let rows: [Int]

        func prefix(_ layer: Int) throws -> KeyValues? {
            length == 0 ? nil : try trace.keyValues(layer).prefix(length, rows: rows)
        }

        func distantPrefix() -> DistantKeys? { length == 0 ? nil : trace.distant?.prefix(length, rows: rows) }
    }

    /// The same trace with the values at sites of MLPs, `mlp.l.hidden` and `mlp.l.out`, from what it keeps: nothing else is
    /// run.
    ///
    /// Throws ``ModelError`` with code `notCaptured` for a layer that the trace does not reach down to, or another site.
    public func capturing(_ sites: some Sequence<Site>) throws -> Trace {
        var captured = captured
        for site in sites where captured[site] == nil {
            switch site {
            // The stream is kept anyway.
            case .residual(let layer) where residuals.indices.contains(layer - firstLayer): continue
            case .mlpHidden(let layer): captured[site] = try hidden(layer)
            case .mlpOut(let layer):
                let hidden = try captured[.mlpHidden(layer)] ?? hidden(layer)
                let weights = try model.weights.layer(layer)
                captured[site] = try model.intervened(site, model.scaled(weights.down(hidden), weights.mlpOutNorm))
            default:
                throw ModelError(.notCaptured, "a trace is made without this site", subject: "\(site)")
            }
        }
        return Trace(
            model, tokens: tokens, logits: logits, firstLayer: firstLayer, residuals: residuals, middles: middles,
            keyValues: keyValues, distant: distant, captured: captured)
    }

    /// The hidden activations of a layer's MLP.
    private func hidden(_ layer: Int) throws -> Tensor {
        try model.intervened(.mlpHidden(layer), model.hidden(layer, mlpInput(layer)))
    }

    /// The same trace from a higher layer on: smaller, and replays cannot change what lies below it.
    ///
    /// Throws ``ModelError`` for a layer that the trace does not reach down to, or that is not there.
    public func keeping(from layer: Int) throws -> Trace {
        guard layer >= model.distantEnd ?? 0 else { throw unreached(layer) }
        guard (firstLayer...model.architecture.layers).contains(layer) else {
            throw ModelError(
                .outOfRange, "the trace has no such layer", expected: "\(firstLayer)...\(model.architecture.layers)",
                found: "\(layer)")
        }
        let dropped = layer - firstLayer
        return Trace(
            model, tokens: tokens, logits: logits, firstLayer: layer, residuals: Array(residuals.dropFirst(dropped)),
            middles: Array(middles.dropFirst(dropped)), keyValues: Array(keyValues.dropFirst(dropped)),
            distant: dropped == 0 ? distant : nil, captured: captured)
    }

    /// The trace of the first `count` tokens of a single prompt; nothing is run but the head.
    ///
    /// Throws ``ModelError`` for another number of prompts or tokens.
    public func prefix(_ count: Int) throws -> Trace {
        guard tokens.count == 1, (1...length).contains(count) else {
            throw ModelError(
                .outOfRange, "a part of a trace is of one prompt", expected: "1...\(length) of its tokens",
                found: "\(count) tokens of \(tokens.count) prompts")
        }
        if count == length { return self }
        func part(_ value: Tensor) throws -> Tensor { try value.narrowed(1, 0..<count) }
        let residuals = try residuals.map(part)
        let last = try residuals[residuals.count - 1].selected(1, count - 1)
        return Trace(
            model, tokens: [Array(tokens[0].prefix(count))], logits: try model.logits(ofResidual: last),
            firstLayer: firstLayer, residuals: residuals, middles: try middles.map(part),
            keyValues: try keyValues.map { try $0.prefix(count, rows: [0]) },
            distant: distant?.prefix(count, rows: [0]),
            captured: try captured.filter { $0.key != .logits }.mapValues(part))
    }
}
