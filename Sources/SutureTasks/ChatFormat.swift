import Foundation
import SutureFormats
import SutureTemplates
import SutureTokenizers

/// How a model wants conversations written: its own chat template, rendered as transformers does.
public struct ChatFormat: Sendable {
    /// The tokenizer for what the template writes: it puts nothing before texts if the template begins without it.
    public let tokenizer: Tokenizer
    /// What ends the turn of the model, such as `<|im_end|>`.
    public let closing: String
    /// The last token of the closing, behind which nothing more is written.
    public let stop: Int
    /// What stands between the beginning of that turn and its text: a space in some.
    private let leading: String
    private let text: String
    private let place: String
    private let template: ChatTemplate
    private let variables: [String: TemplateValue]

    /// The chat template beside a model's tokenizer: `chat_template.jinja`, else that of `tokenizer_config.json`, or
    /// `tokenizer.chat_template` of a GGUF file. Of several named templates it is `default`.
    ///
    /// Throws ``TaskError`` with code `noChat` where there is none, or none that can be read; or a `FormatError`.
    public init(_ checkpoint: Checkpoint, _ tokenizer: Tokenizer) throws {
        guard let (text, place) = try Self.template(of: checkpoint) else {
            throw TaskError(
                .noChat, "this model has no chat template", subject: checkpoint.url.lastPathComponent,
                expected: checkpoint.gguf == nil
                    ? "chat_template.jinja, or chat_template in tokenizer_config.json" : "tokenizer.chat_template",
                hint: "ask it without --chat")
        }
        try self.init(text, tokenizer, place: place)
    }

    /// A chat template of one's own.
    ///
    /// Throws ``TaskError`` with code `noChat` where it cannot be read, or cannot write a question and an answer.
    public init(_ text: String, _ tokenizer: Tokenizer, place: String = "the chat template") throws {
        let template = try Self.told(place) { () throws(TemplateError) in try ChatTemplate(text) }
        var variables: [String: TemplateValue] = [:]
        let roles = tokenizer.roles
        for (name, id) in [
            ("bos_token", roles.beginning), ("eos_token", roles.end), ("unk_token", roles.unknown),
            ("pad_token", roles.padding)
        ] {
            if let id { variables[name] = .string(tokenizer.decode([id])) }
        }
        // A trial: what stands behind an answer closes a turn.
        let (question, answer) = (ChatMessage("user", "a question"), ChatMessage("assistant", "the answer"))
        let asked = try Self.render(template, [question], variables, place)
        let told = try Self.render(template, [question, answer], variables, place, isAsking: false)
        guard let spoken = told.ranges(of: answer.content).last else {
            throw TaskError(.noChat, "the template leaves out what the model said", subject: place)
        }
        leading = told.hasPrefix(asked) ? String(told[..<spoken.lowerBound].dropFirst(asked.count)) : ""
        let behind = String(told[spoken.upperBound...])
        let ends = tokenizer.encode(behind)
        if let place = ends.ids.firstIndex(where: { roles.stops.contains($0) || tokenizer.isSpecial($0) }) {
            stop = ends.ids[place]
            closing = String(decoding: Array(behind.utf8.prefix(ends.offsets[place].upperBound)), as: UTF8.self)
        } else if let end = roles.end {
            stop = end
            closing = tokenizer.decode([end])
        } else {
            throw TaskError(
                .noChat, "nothing tells where this model ends an answer", subject: place,
                expected: "an end token in the template or the tokenizer")
        }
        let opened = tokenizer.encode(asked, specials: .opening).ids
        self.tokenizer = opened == tokenizer.encode(asked).ids ? tokenizer : try tokenizer.withoutOpening()
        (self.text, self.place, self.template, self.variables) = (text, place, template, variables)
    }

    /// A conversation, and the beginning of the turn in which the model answers.
    ///
    /// Throws ``TaskError`` with code `noChat` for one that the template refuses.
    public func prompt(_ messages: [ChatMessage]) throws -> String {
        try Self.render(template, messages, variables, place)
    }

    /// A question, or a whole conversation, and the answer that the model should give.
    public func failure(_ messages: [ChatMessage], expected: String, subject: String? = nil) throws -> Failure {
        Failure(
            prompt: try prompt(messages), expected: expected.hasPrefix(leading) ? expected : leading + expected,
            subject: subject)
    }

    /// A question behind examples as turns of a conversation, and the answer with what ends its turn.
    func failure(_ task: TaskSet.Task, after shots: [TaskSet.Task], opening: String) throws -> Failure {
        let examples = shots.flatMap { [ChatMessage("user", opening + $0.intent), ChatMessage("assistant", $0.code)] }
        return try failure(
            examples + [ChatMessage("user", opening + task.intent)], expected: leading + task.code + closing)
    }

    private static func render(
        _ template: ChatTemplate, _ messages: [ChatMessage], _ variables: [String: TemplateValue], _ place: String,
        isAsking: Bool = true
    ) throws -> String {
        try told(place) { () throws(TemplateError) in
            try template.render(
                messages: messages.map { ["role": .string($0.role), "content": .string($0.content)] },
                addGenerationPrompt: isAsking, extra: variables)
        }
    }

    private static func told<T>(_ place: String, _ body: () throws(TemplateError) -> T) throws -> T {
        do {
            return try body()
        } catch {
            throw TaskError(
                .noChat, "line \(error.line) of the chat template: \(error.what)", subject: place, hint: error.hint)
        }
    }

    private static func template(of checkpoint: Checkpoint) throws -> (text: String, place: String)? {
        if let gguf = checkpoint.gguf {
            let key = "tokenizer.chat_template"
            guard gguf.metadata[ByteString(key)] != nil else { return nil }
            return (try gguf.string(ByteString(key)), "\(checkpoint.url.lastPathComponent), \(key)")
        }
        let own = checkpoint.url.appending(path: "chat_template.jinja")
        if FileManager.default.fileExists(atPath: own.path) {
            let file = try MappedFile(own)
            defer { withExtendedLifetime(file) {} }
            guard let text = String(validating: file.text, as: UTF8.self) else {
                throw FormatError(.invalidUTF8, "this chat template is not UTF-8", subject: file.name)
            }
            return (text, file.name)
        }
        let config = checkpoint.url.appending(path: "tokenizer_config.json")
        guard FileManager.default.fileExists(atPath: config.path),
            let field = try JSONField(JSON.parse(contentsOf: config), source: config.relativePath)
                .optional("chat_template")
        else { return nil }
        guard field.value.arrayValue != nil else { return (try field.string, field.path) }
        let named = try field.array.first { try $0.require("name").string == "default" }
        return try named.map { (try $0.require("template").string, $0.path) }
    }
}

extension ChatFormat: Equatable {
    /// By template and closing text.
    public static func == (a: ChatFormat, b: ChatFormat) -> Bool { a.text == b.text && a.closing == b.closing }
}
