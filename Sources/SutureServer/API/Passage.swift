import SutureFormats
import SutureTasks

/// A place in an answer: what the model read, what it had written until there, and the patches that it has.
struct Passage: Sendable {
    static let keys: Set<ByteString> = ["prompt", "messages", "written", "model", "patches"]

    /// What the model reads, as raw text.
    var prompt: String
    /// What it had written behind it.
    var written: String
    var stack: StackRequest
    /// Whether the prompt is a conversation in the model's format, which begins as the template says.
    var isChat: Bool

    var text: String { prompt + written }

    /// `{"prompt" or "messages", "written", "model" or "patches"}`
    init(_ body: JSONField, _ workbench: Workbench) throws {
        stack = try StackRequest(of: body, named: workbench.name)
        let messages = try body.optional("messages")
        isChat = messages != nil
        if let messages {
            try body.refuse("prompt") { _ in false }
            prompt = try workbench.tokenizers.chat.get().prompt(WritingRequest.messages(messages))
        } else {
            prompt = try body.require("prompt").string
        }
        written = try body.optional("written")?.string ?? ""
        guard !text.isEmpty else { throw ServerError(.badRequest, "the prompt is empty", subject: body.path) }
    }

    /// As ``members`` keeps it.
    init(kept body: JSONField) throws {
        (prompt, written) = (try body.require("prompt").string, try body.require("written").string)
        stack = StackRequest()
        isChat = try body.optional("chat")?.bool ?? false
    }

    /// As it is kept, without the patches.
    var members: JSONObject { ["prompt": JSON(prompt), "written": JSON(written), "chat": JSON(isChat)] }
}
