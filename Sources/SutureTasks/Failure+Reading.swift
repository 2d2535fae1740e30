import Foundation
import SutureFormats

extension Failure {
    /// Reads failures from a file: JSON Lines with `prompt`, `expected` and perhaps `subject`, or, where its name ends in
    /// `.tsv`, two columns with a tab between, in which `\n`, `\t` and `\\` stand for line break, tab and backslash.
    ///
    /// `prompts`, a list, in place of `prompt` makes a failure of each wording, which know of one another; `keep`, a list of
    /// objects with `prompt` and `expected`, are questions whose answers have to stay.
    ///
    /// With a chat format a prompt is what the user says; a line may have `messages`, objects with `role` and `content`, in
    /// place of it. Throws ``TaskError`` with code `badList`, or a `FormatError`, naming the line.
    ///
    /// Where the answers are not needed, because something else judges them, they may be left out, and are empty then.
    public static func read(_ url: URL, chat: ChatFormat? = nil, needingAnswers: Bool = true) throws -> [Failure] {
        let file = try MappedFile(url)
        return try withExtendedLifetime(file) {
            try read(file.text, name: file.name, isTable: url.pathExtension.lowercased() == "tsv", chat, needingAnswers)
        }
    }

    /// Reads failures as ``read(_:chat:needingAnswers:)`` does from bytes that came another way; they are a table where they do not begin
    /// as JSON does.
    ///
    /// - Parameters:
    ///   - bytes: JSON Lines, or lines of two columns.
    ///   - name: where they came from, for errors.
    ///   - chat: the chat format in which is asked, if it is.
    ///   - needingAnswers: whether each has to have an answer.
    /// - Throws: ``TaskError`` with code `badList`, or a `FormatError`, naming the line.
    public static func read(
        _ bytes: [UInt8], name: String, chat: ChatFormat? = nil, needingAnswers: Bool = true
    ) throws -> [Failure] {
        let start = bytes.first { ![UInt8(ascii: " "), UInt8(ascii: "\t"), 10, 13].contains($0) }
        return try bytes.withUnsafeBytes {
            try read($0, name: name, isTable: start.map { $0 != UInt8(ascii: "{") } ?? false, chat, needingAnswers)
        }
    }

    private static func read(
        _ text: UnsafeRawBufferPointer, name: String, isTable: Bool, _ chat: ChatFormat?, _ needingAnswers: Bool
    ) throws -> [Failure] {
        var failures: [Failure] = []
        for (number, line) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let place = "\(name), line \(number + 1)"
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { continue }
            let asked =
                try isTable
                ? Asked(row: bytes, place, needingAnswers)
                : Asked(json: bytes, place, isChat: chat != nil, needingAnswers)
            guard asked.messages.last?.content.isEmpty == false, !asked.expected.isEmpty || !needingAnswers else {
                throw TaskError(
                    .badList, "a failure needs a prompt and an expected answer", subject: place,
                    found: asked.expected.isEmpty ? "an empty answer" : "an empty prompt")
            }
            let wordings = try asked.failures(chat)
            let failure = wordings[0]
            if let subject = failure.subject, subject.isEmpty || !failure.prompt.contains(subject) {
                throw TaskError(
                    .badList, "the subject is not in the prompt", subject: place, expected: "a part of the prompt",
                    found: String(reflecting: String(subject.prefix(60))))
            }
            failures += wordings
        }
        guard !failures.isEmpty else {
            throw TaskError(
                .badList, "there are no failures in this file", subject: name,
                expected: isTable
                    ? "lines of prompt, tab, expected answer"
                    : "lines such as {\"prompt\": \"...\", \"expected\": \"...\"}")
        }
        return failures
    }

    /// Failures that are one request in several wordings: each knows of the others.
    public static func wordings(_ failures: [Failure]) -> [Failure] {
        failures.map { failure in
            var failure = failure
            failure.wordings = failures.map(\.prompt).filter { $0 != failure.prompt }
            return failure
        }
    }

    /// Prompts, answers and subjects as JSON Lines, as ``read(_:chat:needingAnswers:)`` takes them.
    public static func lines(_ failures: [Failure]) -> [UInt8] {
        failures.flatMap { failure in
            var line: JSONObject = ["prompt": JSON(failure.prompt), "expected": JSON(failure.expected)]
            if let subject = failure.subject { line["subject"] = JSON(subject) }
            return JSON.object(line).serialized() + [UInt8(ascii: "\n")]
        }
    }
}

/// A line of a list of failures.
private struct Asked {
    var messages: [ChatMessage]
    var expected: String
    var subject: String?
    /// What is said last in other words.
    var wordings: [String] = []
    var keep: [(prompt: String, expected: String)] = []

    init(json line: Slice<UnsafeRawBufferPointer>, _ place: String, isChat: Bool, _ needsAnswer: Bool) throws {
        let fields = JSONField(try JSON.parse(UnsafeRawBufferPointer(rebasing: line), source: place), source: place)
        let given = try (["prompt", "prompts", "messages"] as [ByteString]).filter { try fields.optional($0) != nil }
        guard given.count < 2 else {
            throw TaskError(
                .badList, "a failure has a prompt, prompts or messages, and one of them only", subject: place,
                found: given.map(\.string).joined(separator: " and "))
        }
        if let list = try fields.optional("messages") {
            guard isChat else {
                throw TaskError(
                    .badList, "this failure is a conversation", subject: list.path, expected: "a prompt",
                    hint: "give --chat, which writes it with the model's chat template")
            }
            messages = try ChatMessage.read(list)
        } else if let list = try fields.optional("prompts") {
            let prompts = try list.array.map { try $0.string }
            guard let first = prompts.first, !prompts.contains(""), Set(prompts).count == prompts.count else {
                throw TaskError(
                    .badList, "the prompts are not what they should be", subject: list.path,
                    expected: "one or more texts that differ",
                    found: prompts.isEmpty ? "none" : prompts.contains("") ? "an empty one" : "one twice")
            }
            messages = [ChatMessage("user", first)]
            wordings = Array(prompts.dropFirst())
        } else {
            messages = [ChatMessage("user", try fields.require("prompt").string)]
        }
        keep =
            try fields.optional("keep")?.array.map {
                let question = (prompt: try $0.require("prompt").string, expected: try $0.require("expected").string)
                guard !question.prompt.isEmpty, !question.expected.isEmpty else {
                    throw TaskError(.badList, "a question to keep needs a prompt and an answer", subject: $0.path)
                }
                return question
            } ?? []
        expected = try (needsAnswer ? fields.require("expected") : fields.optional("expected"))?.string ?? ""
        subject = try fields.optional("subject")?.string
    }

    init(row: Slice<UnsafeRawBufferPointer>, _ place: String, _ needsAnswer: Bool) throws {
        let columns = row.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        guard columns.count == 2 || (columns.count == 1 && !needsAnswer) else {
            throw TaskError(
                .badList, "wrong number of columns", subject: place, expected: "prompt, tab, expected answer",
                found: "\(columns.count) columns")
        }
        func text(_ column: Slice<UnsafeRawBufferPointer>) throws -> String {
            guard let text = String(validating: column, as: UTF8.self) else {
                throw TaskError(.badList, "this line is not UTF-8", subject: place)
            }
            return Escapes.read(text)
        }
        messages = [ChatMessage("user", try text(columns[0]))]
        expected = try columns.count > 1 ? text(columns[1]) : ""
    }

    /// The failure in each of its wordings.
    func failures(_ chat: ChatFormat?) throws -> [Failure] {
        func failure(_ messages: [ChatMessage], _ expected: String, _ subject: String? = nil) throws -> Failure {
            if let chat { return try chat.failure(messages, expected: expected, subject: subject) }
            return Failure(prompt: messages.last?.content ?? "", expected: expected, subject: subject)
        }
        var failures = [try failure(messages, expected, subject)]
        failures += try wordings.map { try failure([ChatMessage("user", $0)], expected) }
        failures[0].keep = try keep.map { try failure([ChatMessage("user", $0.prompt)], $0.expected) }
        return Failure.wordings(failures)
    }
}
