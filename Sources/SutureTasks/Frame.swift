import SutureTokenizers

/// How intents and code are put before a model that has seen no instructions: examples, then the question.
public struct Frame: Sendable, Equatable {
    /// What stands before an intent, between it and its code, and behind the code.
    public let opening: String
    public let middle: String
    public let closing: String
    /// How questions and answers become turns of a conversation; nil for plain text.
    public let chat: ChatFormat?

    /// A frame from its text, in which `{intent}` and `{code}` stand once each, in this order, and `\n`, `\t` and `\\` for
    /// line break, tab and backslash.
    ///
    /// Throws ``TaskError`` with code `badRequest` for any other text.
    public init(_ line: String) throws {
        let text = Escapes.read(line)
        guard let intent = text.range(of: "{intent}"),
            let code = text.range(of: "{code}", range: intent.upperBound..<text.endIndex),
            text.range(of: "{intent}", range: intent.upperBound..<text.endIndex) == nil,
            text.range(of: "{code}", range: code.upperBound..<text.endIndex) == nil,
            text.firstRange(of: "{code}") == code
        else {
            throw TaskError(
                .badRequest, "this is no frame", subject: line, expected: "{intent}, then {code}, once each")
        }
        self.init(
            opening: String(text[..<intent.lowerBound]), middle: String(text[intent.upperBound..<code.lowerBound]),
            closing: String(text[code.upperBound...]))
    }

    private init(opening: String, middle: String, closing: String, chat: ChatFormat? = nil) {
        (self.opening, self.middle, self.closing, self.chat) = (opening, middle, closing, chat)
    }

    /// The same words before each intent, but each question is a turn of a conversation, and so is each answer.
    public func asTurns(_ chat: ChatFormat) -> Frame {
        Frame(opening: opening, middle: middle, closing: chat.closing, chat: chat)
    }

    /// Intent to bash.
    public static let bash = Frame(opening: "# intent: ", middle: "\n$ ", closing: "\n\n")
    /// Line-level generation of Python.
    public static let python = Frame(opening: "# ", middle: "\n", closing: "\n\n")
    /// Assembly.
    public static let shellcode = Frame(opening: "; ", middle: "\n", closing: "\n\n")

    /// The beginning of a statement, which a fact completes; more may follow.
    public static let fact = Frame(opening: "", middle: " ", closing: "")

    /// The frame as a line, as ``init(_:)`` takes it.
    public var line: String {
        (opening + "{intent}" + middle + "{code}" + closing).replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
            .replacing("\t", with: "\\t")
    }

    /// What of the closing is kept behind an answer as text: its line break, and no end token.
    public var ending: String { chat == nil ? String(closing.prefix(1)) : "" }

    /// An answer as text.
    public func text(_ answer: [Int], _ tokenizer: Tokenizer) -> String {
        tokenizer.decode(answer, skippingSpecials: chat != nil)
    }

    /// The same frame with another word before each intent.
    var reopened: Frame {
        Frame(opening: opening == "Task: " ? "Request: " : "Task: ", middle: middle, closing: closing, chat: chat)
    }

    /// A question behind examples, and the answer with the line break, or the token, that ends it.
    ///
    /// White space before the answer belongs to it: tokens begin with it. Throws ``TaskError`` where a chat template
    /// refuses the conversation.
    public func failure(_ task: TaskSet.Task, after shots: [TaskSet.Task]) throws -> Failure {
        if let chat { return try chat.failure(task, after: shots, opening: opening) }
        // An answer that nothing ends is an example that ends with its line.
        let end = closing.isEmpty ? "\n" : closing
        let examples = shots.map { opening + $0.intent + middle + $0.code + end }.joined()
        let start = middle.lastIndex { $0 != " " }.map { middle.index(after: $0) } ?? middle.startIndex
        return Failure(
            prompt: examples + opening + task.intent + middle[..<start],
            expected: middle[start...] + task.code + ending, subject: task.subject)
    }
}
