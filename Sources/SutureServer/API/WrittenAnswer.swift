/// One answer as it has come so far.
struct WrittenAnswer: Sendable {
    var text = ""
    var log: TokenLog
    /// How many tokens were written.
    var count = 0
    var reason: Writing.Reason?

    init(_ texts: TokenText) { log = TokenLog(texts: texts) }

    /// Takes in what happened. Returns the text that came with it.
    mutating func take(_ event: Writing.Event, of prompt: WritingRequest.Prompt) -> String {
        var piece = ""
        switch event {
        case .prompt(let scores):
            log.entries = [(prompt.tokens[0], nil)] + scores.map { ($0.token, $0) }
        case .token(let token, let text, let score):
            count += 1
            if let score { log.entries.append((token, score)) }
            piece = text
        case .end(let reason, let text):
            self.reason = reason
            piece = text
        }
        text += piece
        return piece
    }

    /// All that happens to a text, to its end.
    static func whole(
        _ events: Writing.Events, of prompt: WritingRequest.Prompt, _ texts: TokenText
    ) async throws -> WrittenAnswer {
        var answer = WrittenAnswer(texts)
        for try await event in events { _ = answer.take(event, of: prompt) }
        guard answer.reason != nil else { throw CancellationError() }
        return answer
    }
}
