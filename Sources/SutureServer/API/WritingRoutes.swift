import Hummingbird
import SutureFormats

/// `/v1/completions` and `/v1/chat/completions`.
struct WritingRoutes: Sendable {
    let workbench: Workbench

    func add(to router: Router<ServerContext>) {
        router.post("/v1/completions") { request, _ in try await answer(request, .text) }
        router.post("/v1/chat/completions") { request, _ in try await answer(request, .chat) }
    }

    private func answer(_ request: Request, _ form: WritingRequest.Form) async throws -> Response {
        let asked = try WritingRequest(await request.json(workbench.limits), form, workbench)
        let (model, _) = try await workbench.model(asked.stack)
        let events = try await workbench.engine.write(
            asked.writings(by: model, upTo: workbench.limits.tokens))
        let answer = AnswerForm(asked)
        let texts = TokenText(workbench.tokenizers.plain)
        guard !asked.isStreamed else { return stream(answer, events, texts) }
        let written = try await withThrowingTaskGroup { group in
            for (index, events) in events.enumerated() {
                group.addTask { (index, try await WrittenAnswer.whole(events, of: answer.prompt(index), texts)) }
            }
            var written = Array(repeating: WrittenAnswer(texts), count: events.count)
            for try await (index, answer) in group { written[index] = answer }
            return written
        }
        return .json(answer.json(written))
    }

    private func stream(_ answer: AnswerForm, _ events: [Writing.Events], _ texts: TokenText) -> Response {
        .events { writer in
            var written = 0
            if answer.request.form == .chat {
                for index in events.indices {
                    try await writer.event(answer.chunk(index, WrittenAnswer(texts), isFirst: true))
                }
            }
            if answer.request.isEchoed, answer.request.rivals == nil {
                for index in events.indices {
                    var piece = WrittenAnswer(texts)
                    piece.text = answer.prompt(index).text
                    try await writer.event(answer.chunk(index, piece))
                }
            }
            for try await (index, event) in Self.merged(events) {
                var piece = WrittenAnswer(texts)
                _ = piece.take(event, of: answer.prompt(index))
                if case .prompt = event { piece.text = answer.prompt(index).text }
                written += piece.count
                guard !piece.text.isEmpty || !piece.log.entries.isEmpty || piece.reason != nil else { continue }
                try await writer.event(answer.chunk(index, piece))
            }
            if answer.request.tellsUsage { try await writer.event(answer.usageChunk(written)) }
            try await writer.event("[DONE]")
        }
    }

    /// What happens to several texts, as it happens.
    private static func merged(
        _ all: [Writing.Events]
    ) -> AsyncThrowingStream<(Int, Writing.Event), any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await withThrowingTaskGroup { group in
                        for (index, events) in all.enumerated() {
                            group.addTask { for try await event in events { continuation.yield((index, event)) } }
                        }
                        try await group.waitForAll()
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
