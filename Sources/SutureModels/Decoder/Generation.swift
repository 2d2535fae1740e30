import SutureTensor

/// A text being continued, token by token: keys and values of what was seen, and the scores of what comes next.
public struct DecodingSession {
    public let model: LanguageModel
    /// The number of tokens seen.
    public internal(set) var length: Int
    /// The scores of the next token, `[vocabulary]`.
    public internal(set) var logits: Tensor
    var seen: Seen

    /// Reads a prompt.
    ///
    /// Interventions at all positions hold for every token that is written too; others change the prompt alone. Throws
    /// ``ModelError`` for those that do not fit the model or the prompt.
    public init(_ model: LanguageModel, prompt: [Int], _ interventions: [Intervention] = []) throws {
        try model.check(tokens: [prompt])
        let model = try model.intervening(interventions.filter { $0.positions == .all })
        let once = interventions.filter { $0.positions != .all }
        try model.check(once, [], lengths: [prompt.count])
        let changes = once.map { Forward.Change(row: nil, lasts: [prompt.count - 1], kind: .intervention($0)) }
        let forward = try Forward(model, positions: 0..<prompt.count, changes: changes)
        var seen = Seen()
        let stream = try forward.run(
            .entering(0)..<Entry.entering(model.architecture.layers),
            ResidualStream(residual: forward.embed(model.padded([prompt]))), lastOnly: forward.needsLastOnly,
            visitor: &seen)
        self.model = model
        self.seen = seen
        length = prompt.count
        logits = try forward.scores(stream.residual, .last, lasts: nil).squeezed(0)
    }

    /// The keys and values of each layer, which grow with what is read.
    struct Seen: LayerVisitor {
        var layers: [Int: KeyValues] = [:]
        /// Those of layers that other processes hold.
        var distant: DistantKeys?
        var keepsDistant: Bool { true }

        func prefix(_ layer: Int) -> KeyValues? { layers[layer] }
        func distantPrefix() -> DistantKeys? { distant }
        mutating func keep(_ seen: KeyValues, of layer: Int) { layers[layer] = seen }
        mutating func keep(_ distant: DistantKeys) { self.distant = distant }

        /// The first `count` positions for some rows.
        func prefix(_ count: Int, rows: [Int]) throws -> Seen {
            Seen(
                layers: try layers.mapValues { try $0.prefix(count, rows: rows) },
                distant: distant?.prefix(count, rows: rows))
        }
    }

    /// Goes on behind a traced prompt without reading it again.
    ///
    /// Throws ``ModelError`` unless the trace is of one prompt and reaches down to the first layer.
    public init(_ trace: Trace) throws {
        guard trace.tokens.count == 1, trace.isWhole else {
            throw ModelError(
                .invalidReplay, "only a trace of one prompt and of all layers can be continued",
                found: "\(trace.tokens.count) prompts, from layer \(trace.firstLayer)")
        }
        model = trace.model
        seen = trace.seen
        length = trace.length
        logits = try trace.logits.squeezed(0)
    }

    /// Reads one more token.
    public mutating func append(_ token: Int) throws {
        guard length < model.architecture.contextLength else {
            throw ModelError(
                .outOfRange, "the text does not fit the model",
                expected: "\(model.architecture.contextLength) tokens at most", hint: model.architecture.lengthHint)
        }
        try model.check(tokens: [[token]])
        let forward = try Forward(model.decoding, positions: length..<length + 1)
        let stream = try forward.run(
            .entering(0)..<Entry.entering(model.architecture.layers),
            ResidualStream(residual: forward.embed(model.padded([[token]]))), visitor: &seen)
        logits = try forward.scores(stream.residual, .last, lasts: nil).squeezed(0)
        length += 1
    }

    /// Continues the text until `limit` tokens or until `isDone` accepts what was written so far: with the most likely
    /// token each time, or with `sampling` drawn ones. Returns the new tokens, of which the last is not read.
    ///
    /// Throws ``ModelError`` with code `notFinite` where the scores are no numbers: nothing can be chosen then.
    public mutating func write(
        limit: Int, sampling: Sampling? = nil, until isDone: ([Int]) throws -> Bool = { _ in false }
    ) throws -> [Int] {
        guard limit > 0 else { return [] }
        var sampling = sampling
        var written: [Int] = []
        while true {
            guard try logits.max().item().isFinite else {
                throw ModelError.notFinite("the scores of the next token, \(length)")
            }
            written.append(try sampling?.draw(logits) ?? Int(logits.argmax().item()))
            // First, because it also tells a listener of the last token.
            if try isDone(written) || written.count >= limit || length >= model.architecture.contextLength { break }
            try append(written[written.count - 1])
        }
        return written
    }
}

extension LanguageModel {
    /// Continues a prompt until `limit` tokens or until `isDone` accepts what was generated so far: with the most likely
    /// token each time, or with `sampling` drawn ones. Returns the new tokens.
    ///
    /// Interventions at all positions hold for every token that is written too; others change the prompt alone.
    ///
    /// Throws ``ModelError`` for interventions that do not fit, and with code `notFinite` where the scores are no numbers.
    public func generate(
        _ prompt: [Int], limit: Int, sampling: Sampling? = nil, _ interventions: [Intervention] = [],
        until isDone: ([Int]) throws -> Bool = { _ in false }
    ) throws -> [Int] {
        guard limit > 0 else { return [] }
        var session = try DecodingSession(self, prompt: prompt, interventions)
        return try session.write(limit: limit, sampling: sampling, until: isDone)
    }
}
