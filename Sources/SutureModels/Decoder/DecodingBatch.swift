import SutureTensor

/// Several continuations of one prompt that grow together, token by token.
///
/// All begin with the keys and values of the prompt, which is read once.
public struct DecodingBatch {
    public let model: LanguageModel
    /// The number of tokens that each has seen.
    public private(set) var length: Int
    /// The scores of the next token, `[row, vocabulary]`.
    public private(set) var logits: Tensor
    private var seen: DecodingSession.Seen

    /// `rows` continuations of what a session has read.
    public init(_ session: DecodingSession, rows: Int) throws {
        (model, length, seen) = (session.model, session.length, session.seen)
        logits = try session.logits.unsqueezed(0)
        try keep(Array(repeating: 0, count: rows))
    }

    /// Goes on with these rows only, in this order; one may be taken several times.
    public mutating func keep(_ rows: [Int]) throws {
        logits = try logits.indexSelected(0, at: rows)
        seen = try seen.prefix(length, rows: rows)
    }

    /// Reads one more token in each row.
    ///
    /// Throws ``ModelError`` with code `outOfRange` where the text does not fit the model.
    public mutating func append(_ tokens: [Int]) throws {
        guard length < model.architecture.contextLength else {
            throw ModelError(
                .outOfRange, "the text does not fit the model",
                expected: "\(model.architecture.contextLength) tokens at most", hint: model.architecture.lengthHint)
        }
        let rows = tokens.map { [$0] }
        try model.check(tokens: rows)
        let forward = try Forward(model, positions: length..<length + 1)
        let stream = try forward.run(
            .entering(0)..<Entry.entering(model.architecture.layers),
            ResidualStream(residual: forward.embed(model.padded(rows))), visitor: &seen)
        logits = try forward.scores(stream.residual, .last, lasts: nil)
        length += 1
    }
}
