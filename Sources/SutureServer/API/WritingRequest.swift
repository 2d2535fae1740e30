import Foundation
import SutureFormats
import SutureModels
import SutureTasks
import SutureTokenizers

/// A request for text in the form of OpenAI's API: a prompt to go on with, or a conversation.
struct WritingRequest: Sendable {
    /// What the model reads: token ids, and the text that they are of.
    struct Prompt: Sendable {
        var tokens: [Int]
        var text: String
    }

    /// How the request was asked, and is answered.
    enum Form: Sendable { case text, chat }

    var form: Form
    /// The model's name as it was given, for the answer.
    var model: String
    var stack: StackRequest
    var prompts: [Prompt]
    /// nil for as many tokens as there is room for.
    var limit: Int?
    var temperature: Double
    var topK: Int?
    var topP, minP: Double?
    var seed: UInt64
    var stops: [String]
    /// How many rivals of each token are told; nil for no probabilities.
    var rivals: Int?
    var isEchoed: Bool
    /// How many answers to each prompt.
    var count: Int
    var isStreamed: Bool
    var tellsUsage: Bool
    var ends: Set<Int>

    /// What says nothing to a model on one's own machine.
    private static let ignored: Set<ByteString> = [
        "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "stream_options"
    ]
    private static let shared: Set<ByteString> = [
        "model", "patches", "max_tokens", "temperature", "top_k", "top_p", "min_p", "seed", "stop", "logprobs", "n",
        "stream", "frequency_penalty", "presence_penalty", "logit_bias"
    ]

    /// What a request may name.
    static func keys(_ form: Form) -> Set<ByteString> {
        shared.union(
            form == .text
                ? ["prompt", "echo", "suffix", "best_of"] : ["messages", "max_completion_tokens", "top_logprobs"])
    }

    /// A request as it came, checked.
    ///
    /// Throws ``ServerError`` or an error of the libraries that names what is wrong.
    init(_ body: JSONField, _ form: Form, _ workbench: Workbench) throws {
        self.form = form
        try body.allow(Self.keys(form), ignoring: Self.ignored)
        model = try body.optional("model")?.string ?? workbench.name
        stack = try StackRequest(model: model, of: workbench.name)
        if let list = try body.optional("patches") {
            guard stack.parts == nil else {
                throw ServerError(
                    .badRequest, "patches are named twice", subject: list.path, expected: "in model or in patches")
            }
            stack = try StackRequest(list)
        }
        temperature = try body.double("temperature", in: 0...100) ?? 1
        (topK, topP, minP) = (
            try body.int("top_k", in: 1...1_000_000), try body.double("top_p", in: 0...1),
            try body.double("min_p", in: 0...1)
        )
        seed = try body.optional("seed").map { UInt64(bitPattern: Int64(try $0.int)) } ?? .random(in: 0 ... .max)
        stops =
            try body.optional("stop").map { field in
                try field.value.arrayValue == nil ? [field.string] : field.array.map { try $0.string }
            } ?? []
        guard stops.count <= 16, !stops.contains("") else {
            throw ServerError(
                .badRequest, "stop strings are at most 16, none of them empty", subject: "\(body.path): stop")
        }
        count = try body.int("n", in: 1...16) ?? 1
        isStreamed = try body.optional("stream")?.bool ?? false
        tellsUsage = try body.optional("stream_options")?.optional("include_usage")?.bool ?? false
        for key in ["frequency_penalty", "presence_penalty"] as [ByteString] {
            try body.refuse(key) { $0.doubleValue == 0 }
        }
        try body.refuse("logit_bias") { $0 == .object([:]) }
        let most = workbench.limits.tokens
        switch form {
        case .text:
            try body.refuse("suffix") { $0 == "" }
            try body.refuse("best_of") { [count] in $0.intValue == count }
            isEchoed = try body.optional("echo")?.bool ?? false
            rivals = try body.int("logprobs", in: 0...20)
            limit = try body.int("max_tokens", in: 0...most) ?? 16
            ends = workbench.tokenizers.ends(isChat: false)
            prompts = try Self.prompts(body.require("prompt"), workbench.tokenizers.plain)
        case .chat:
            let chat = try workbench.tokenizers.chat.get()
            isEchoed = false
            let isScored = try body.optional("logprobs")?.bool ?? false
            let top = try body.int("top_logprobs", in: 0...20)
            guard isScored || top == nil else {
                throw ServerError(.badRequest, "top_logprobs goes with logprobs: true", subject: body.path)
            }
            rivals = isScored ? top ?? 0 : nil
            limit = try body.int("max_completion_tokens", in: 1...most) ?? body.int("max_tokens", in: 1...most)
            ends = workbench.tokenizers.ends(isChat: true)
            let text = try chat.prompt(Self.messages(body.require("messages")))
            prompts = [Prompt(tokens: workbench.tokenizers.tokens(of: text, isChat: true), text: text)]
        }
        guard prompts.count * count <= 64 else {
            throw ServerError(
                .badRequest, "too many answers are asked for at once", expected: "64 at most",
                found: "\(prompts.count * count)")
        }
        _ = try sampling(0)
    }

    /// All texts to write, the answers to one prompt one after another; of at most so many tokens with the prompt, where
    /// the request names no limit.
    func writings(by model: LanguageModel, upTo most: Int) throws -> [Writing] {
        try prompts.flatMap { prompt in
            let room = max(0, model.architecture.contextLength + 1 - prompt.tokens.count)
            let limit = limit ?? max(0, most - prompt.tokens.count)
            return try (0..<count).map { index in
                Writing(
                    model: model, prompt: prompt.tokens, limit: min(limit, room), sampling: try sampling(index),
                    ends: ends, stops: stops, rivals: rivals, scoresPrompt: isEchoed && rivals != nil)
            }
        }
    }

    /// As `suture generate` draws with the same settings; the next answers draw with the next seeds.
    private func sampling(_ index: Int) throws -> Sampling? {
        guard temperature > 0 else { return nil }
        return try Sampling(
            temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed &+ UInt64(index))
    }

    /// One text, several, or the tokens of one or several.
    private static func prompts(_ field: JSONField, _ tokenizer: Tokenizer) throws -> [Prompt] {
        func text(_ field: JSONField) throws -> Prompt {
            let text = try field.string
            return Prompt(tokens: tokenizer.encode(text, specials: .opening).ids, text: text)
        }
        func tokens(_ field: JSONField) throws -> Prompt {
            let ids = try field.array.map { entry in
                let id = try entry.int
                guard (0..<tokenizer.vocabularySize).contains(id) else {
                    throw ServerError(
                        .badRequest, "there is no such token", subject: entry.path,
                        expected: "0..<\(tokenizer.vocabularySize)", found: "\(id)")
                }
                return id
            }
            return Prompt(tokens: ids, text: tokenizer.decode(ids))
        }
        guard let list = field.value.arrayValue else { return [try text(field)] }
        guard let first = list.first else {
            throw ServerError(.badRequest, "the prompt is empty", subject: field.path)
        }
        switch first {
        case .string: return try field.array.map(text)
        case .array: return try field.array.map(tokens)
        default: return [try tokens(field)]
        }
    }

    /// The turns of a conversation; a message's content may come in parts.
    static func messages(_ field: JSONField) throws -> [ChatMessage] {
        let messages = try field.array.map { message in
            try message.allow(["role", "content"], ignoring: ["name", "refusal"])
            let content = try message.require("content")
            guard content.value.arrayValue != nil else {
                return ChatMessage(try message.require("role").string, try content.string)
            }
            let parts = try content.array.map { part in
                guard try part.require("type").string == "text" else {
                    throw ServerError(.badRequest, "only text is read", subject: part.path)
                }
                return try part.require("text").string
            }
            return ChatMessage(try message.require("role").string, parts.joined())
        }
        guard !messages.isEmpty else {
            throw ServerError(.badRequest, "the conversation is empty", subject: field.path)
        }
        return messages
    }
}
