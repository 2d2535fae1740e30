import Foundation
import SutureFormats

/// Answers to a request for text, in OpenAI's form.
struct AnswerForm: Sendable {
    let request: WritingRequest
    private let id: String
    private let created = Int(Date().timeIntervalSince1970)

    init(_ request: WritingRequest) {
        self.request = request
        let name = UUID().uuidString.replacing("-", with: "").lowercased()
        id = (request.form == .chat ? "chatcmpl-" : "cmpl-") + name
    }

    func prompt(_ index: Int) -> WritingRequest.Prompt { request.prompts[index / request.count] }

    /// The whole answer.
    func json(_ answers: [WrittenAnswer]) -> JSON {
        var members = head(request.form == .chat ? "chat.completion" : "text_completion")
        members["choices"] = .array(
            answers.enumerated().map { index, answer in
                var choice: JSONObject = ["index": JSON(index)]
                switch request.form {
                case .text:
                    choice["text"] = JSON((request.isEchoed ? prompt(index).text : "") + answer.text)
                    choice["logprobs"] = request.rivals == nil ? .null : answer.log.json()
                case .chat:
                    choice["message"] = ["role": "assistant", "content": JSON(answer.text), "refusal": .null]
                    choice["logprobs"] = request.rivals == nil ? .null : answer.log.chat
                }
                choice["finish_reason"] = JSON(answer.reason?.rawValue ?? "stop")
                return .object(choice)
            })
        members["usage"] = usage(answers.reduce(0) { $0 + $1.count })
        return .object(members)
    }

    /// A piece of a streamed answer: what has come in it, without what came before.
    func chunk(_ index: Int, _ piece: WrittenAnswer, isFirst: Bool = false) -> JSON {
        var choice: JSONObject = ["index": JSON(index)]
        switch request.form {
        case .text:
            choice["text"] = JSON(piece.text)
            choice["logprobs"] = piece.log.entries.isEmpty ? .null : piece.log.json()
        case .chat:
            var delta: JSONObject = isFirst ? ["role": "assistant"] : [:]
            if piece.reason == nil || !piece.text.isEmpty { delta["content"] = JSON(piece.text) }
            choice["delta"] = .object(delta)
            choice["logprobs"] = piece.log.entries.isEmpty ? .null : piece.log.chat
        }
        choice["finish_reason"] = piece.reason.map { JSON($0.rawValue) } ?? .null
        var members = head(request.form == .chat ? "chat.completion.chunk" : "text_completion")
        members["choices"] = [.object(choice)]
        if request.tellsUsage { members["usage"] = .null }
        return .object(members)
    }

    /// The last piece of a streamed answer, where it is asked for: how many tokens there were.
    func usageChunk(_ written: Int) -> JSON {
        var members = head(request.form == .chat ? "chat.completion.chunk" : "text_completion")
        members["choices"] = []
        members["usage"] = usage(written)
        return .object(members)
    }

    private func head(_ object: String) -> JSONObject {
        ["id": JSON(id), "object": JSON(object), "created": JSON(created), "model": JSON(request.model)]
    }

    private func usage(_ written: Int) -> JSON {
        let read = request.prompts.reduce(0) { $0 + $1.tokens.count }
        return [
            "prompt_tokens": JSON(read), "completion_tokens": JSON(written), "total_tokens": JSON(read + written)
        ]
    }
}
