import Foundation
import SutureModels
import SutureTokenizers

/// A text that the model is to write behind a prompt.
struct Writing: Sendable {
    var model: LanguageModel
    var prompt: [Int]
    /// How many tokens at most.
    var limit: Int
    /// How tokens are drawn; nil for the most likely each time.
    var sampling: Sampling?
    /// Tokens that end the text.
    var ends: Set<Int>
    /// The text ends before the first of these.
    var stops: [String] = []
    /// How many rivals are told of each token; nil tells no probabilities.
    var rivals: Int?
    /// Whether the tokens of the prompt are told with their probabilities first.
    var scoresPrompt = false
    /// How many tokens it may come to, with its prompt.
    var room: Int { prompt.count + limit }

    /// What happens to it, in order.
    enum Event: Sendable {
        /// The tokens of the prompt behind its first.
        case prompt([TokenScore])
        /// A token, and the text that is certain with it.
        case token(Int, text: String, TokenScore?)
        /// The end, and what text was left.
        case end(Reason, text: String)
    }

    /// Why a text ends, as OpenAI's API says it.
    enum Reason: String, Sendable { case stop, length }

    typealias Events = AsyncThrowingStream<Event, any Error>
}

/// A text on its way.
struct WritingRow {
    let id: Int
    var writing: Writing
    let events: Writing.Events.Continuation
    let deadline: ContinuousClock.Instant
    private var session: DecodingSession?
    private var stream: StreamingDecoder
    private var text: StoppedText
    private(set) var written: [Int] = []

    init(
        _ id: Int, _ writing: Writing, _ tokenizer: Tokenizer, _ events: Writing.Events.Continuation,
        deadline: ContinuousClock.Instant
    ) {
        (self.id, self.writing, self.events, self.deadline) = (id, writing, events, deadline)
        stream = StreamingDecoder(tokenizer, skippingSpecials: true)
        text = StoppedText(writing.stops)
    }

    /// Reads the prompt. Returns whether there is something to write.
    mutating func begin() throws -> Bool {
        if writing.scoresPrompt {
            let trace = try writing.model.trace([writing.prompt])
            events.yield(.prompt(try TokenScore.prompt(trace, rivals: writing.rivals ?? 0)))
            session = try DecodingSession(trace)
        } else if writing.limit > 0 {
            session = try DecodingSession(writing.model, prompt: writing.prompt)
        }
        if writing.limit == 0 { end(.length) }
        return writing.limit > 0
    }

    /// Chooses the next token, as `TextWriting` does. Returns whether the text goes on.
    mutating func choose() throws -> Bool {
        guard let session else { return false }
        guard try session.logits.max().item().isFinite else {
            throw ServerError(.failed, "the scores of the next token are not finite numbers")
        }
        let token = try writing.sampling?.draw(session.logits) ?? Int(session.logits.argmax().item())
        written.append(token)
        guard !writing.ends.contains(token) else {
            end(.stop)
            return false
        }
        let score = try writing.rivals.map { try TokenScore(token, session.logits, rivals: $0) }
        events.yield(.token(token, text: text.append(stream.append(token)), score))
        if text.isStopped {
            end(.stop)
            return false
        }
        if written.count >= writing.limit || session.length >= writing.model.architecture.contextLength {
            end(.length)
            return false
        }
        return true
    }

    /// Reads what was chosen in each of several rows.
    static func read(_ rows: inout [WritingRow]) throws {
        var sessions = rows.compactMap(\.session)
        try DecodingSession.append(rows.map { $0.written[$0.written.count - 1] }, to: &sessions)
        for place in rows.indices { rows[place].session = sessions[place] }
    }

    private mutating func end(_ reason: Writing.Reason) {
        events.yield(.end(reason, text: text.append(stream.finish()) + text.finish()))
        events.finish()
    }
}
