import Foundation
import SutureFormats

/// Something to be done whose answer is judged by running it.
public struct CheckedTask: Sendable, Equatable {
    /// What the model reads.
    public var prompt: String
    /// What was asked, in the words of who asks: the prompt, or what the user says in a chat.
    public var question: String
    public var isChat: Bool
    public var kind: AnswerCheck.Kind
    /// The tests, in the language of the answer.
    public var test: String?
    /// The function that the tests are called with (HumanEval).
    public var entryPoint: String?
    /// Other wordings, to be repaired along.
    public var wordings: [Wording]
    /// Other wordings, which are asked before and after, and on which nothing is repaired.
    public var heldOut: [Wording]
    /// Answers to try before the model's own.
    public var candidates: [String]

    /// The same in other words.
    public struct Wording: Sendable, Equatable {
        /// What it is called: `yours`, or how it was made.
        public var name: String
        public var prompt: String
        public var question: String

        /// A wording by its name; `question` is the prompt where this is no chat.
        public init(_ name: String, prompt: String, question: String? = nil) {
            (self.name, self.prompt, self.question) = (name, prompt, question ?? prompt)
        }
    }

    /// A task in one wording.
    public init(
        prompt: String, question: String? = nil, isChat: Bool = false, kind: AnswerCheck.Kind, test: String? = nil,
        entryPoint: String? = nil, wordings: [Wording] = [], heldOut: [Wording] = [], candidates: [String] = []
    ) {
        (self.prompt, self.question, self.isChat, self.kind) = (prompt, question ?? prompt, isChat, kind)
        (self.test, self.entryPoint, self.wordings, self.heldOut) = (test, entryPoint, wordings, heldOut)
        self.candidates = candidates
    }
}

extension CheckedTask {
    /// Reads tasks from JSON Lines as HumanEval has them: `prompt` (or `messages`, in a chat), `test`, `entry_point`.
    ///
    /// A line may have a `check` of its own in place of `kind`, `variants`, which are held out (else such are made by rule),
    /// `candidates`, and an `expected` answer, which is one more of these.
    ///
    /// - Parameters:
    ///   - bytes: the lines.
    ///   - name: where they came from, for errors.
    ///   - kind: how answers are judged where a line does not say.
    ///   - chat: the chat format in which is asked, if it is.
    /// - Throws: ``TaskError`` with code `badList`, or a `FormatError`, naming the line.
    public static func read(
        _ bytes: [UInt8], name: String, kind: AnswerCheck.Kind, chat: ChatFormat? = nil
    ) throws -> [CheckedTask] {
        var tasks: [CheckedTask] = []
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        {
            if line.allSatisfy({ [UInt8(ascii: " "), UInt8(ascii: "\t"), 13].contains($0) }) { continue }
            let place = "\(name), line \(number + 1)"
            let fields = JSONField(try JSON.parse(Array(line), source: place), source: place)
            tasks.append(try CheckedTask(fields, place, kind, chat))
        }
        guard !tasks.isEmpty else {
            throw TaskError(
                .badList, "there are no tasks in this file", subject: name,
                expected: "lines such as {\"prompt\": \"...\", \"test\": \"...\"}")
        }
        return tasks
    }

    private init(_ fields: JSONField, _ place: String, _ kind: AnswerCheck.Kind, _ chat: ChatFormat?) throws {
        func texts(_ key: ByteString) throws -> [String] { try fields.optional(key)?.array.map { try $0.string } ?? [] }
        let messages: [ChatMessage]
        if let list = try fields.optional("messages") {
            guard chat != nil else {
                throw TaskError(
                    .badList, "this task is a conversation", subject: list.path, expected: "a prompt",
                    hint: "give --chat, which writes it with the model's chat template")
            }
            messages = try ChatMessage.read(list)
        } else {
            messages = [ChatMessage("user", try fields.require("prompt").string)]
        }
        guard let question = messages.last?.content, !question.isEmpty else {
            throw TaskError(.badList, "a task needs a prompt", subject: place, found: "an empty prompt")
        }
        let own = try fields.optional("check").map { AnswerCheck.Kind(try $0.string) } ?? kind
        self.init(
            prompt: try chat?.prompt(messages) ?? question, question: question, isChat: chat != nil, kind: own,
            test: try fields.optional("test")?.string, entryPoint: try fields.optional("entry_point")?.string,
            candidates: try texts("candidates") + (fields.optional("expected").map { [try $0.string] } ?? []))
        if kind.needsTest, own.needsTest, test?.allSatisfy(\.isWhitespace) ?? true {
            throw TaskError(
                .badList, "this task has no test", subject: place, expected: "\"test\": what the answer has to pass")
        }
        if let entryPoint, !entryPoint.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }) {
            throw TaskError(
                .badList, "this is no name of a function", subject: place, found: String(reflecting: entryPoint))
        }
        func wording(_ name: String, _ text: String) throws -> Wording {
            var said = messages
            said[said.count - 1].content = text
            return Wording(name, prompt: try chat?.prompt(said) ?? text, question: text)
        }
        let yours = try texts("variants").map { try wording("yours", $0) }
        let made = PromptVariants(question)
        heldOut = try yours + made.heldOut.map { try wording($0.name, $0.text) }
        wordings = try made.training.map { try wording($0.name, $0.text) }
    }

    /// The same, asked without the white space at a prompt's end, as of HumanEval's: tokenizers join a line break and the
    /// spaces behind it, so that a model has hardly seen one without the other. Candidates get it in front, and the prompt as it
    /// was given is held out. Nothing for a chat, or where the answer is handed to a command.
    public var askedUpToItsLastWord: CheckedTask {
        let end = String(String(prompt.reversed().prefix(while: \.isWhitespace)).reversed())
        guard !isChat, kind.needsTest, !end.isEmpty, end.count < prompt.count else { return self }
        func cut(_ text: String) -> String { text.hasSuffix(end) ? String(text.dropLast(end.count)) : text }
        func cut(_ wording: Wording) -> Wording {
            Wording(wording.name, prompt: cut(wording.prompt), question: cut(wording.question))
        }
        var task = self
        (task.prompt, task.question) = (cut(prompt), cut(question))
        task.wordings = wordings.map(cut)
        task.heldOut = [Wording("as given", prompt: prompt)] + heldOut.map(cut)
        task.candidates = candidates.map { $0.hasPrefix(end) ? $0 : end + $0 }
        return task
    }

    /// Makes the wordings of a task that was given without any.
    public mutating func addVariants(_ chat: ChatFormat? = nil) throws {
        let made = PromptVariants(question)
        func wording(_ name: String, _ text: String) throws -> Wording {
            Wording(name, prompt: try chat?.prompt([ChatMessage("user", text)]) ?? text, question: text)
        }
        wordings += try made.training.map { try wording($0.name, $0.text) }
        heldOut += try made.heldOut.map { try wording($0.name, $0.text) }
    }
}
