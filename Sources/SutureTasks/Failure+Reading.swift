import Foundation
import SutureFormats

extension Failure {
    /// Reads failures from a file: JSON Lines with `prompt`, `expected` and perhaps `subject`, or, where its name ends in
    /// `.tsv`, two columns with a tab between, in which `\n`, `\t` and `\\` stand for line break, tab and backslash.
    ///
    /// Throws ``TaskError`` with code `badList`, or a `FormatError`, naming the line.
    public static func read(_ url: URL) throws -> [Failure] {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        let isTable = url.pathExtension.lowercased() == "tsv"
        var failures: [Failure] = []
        for (number, line) in file.text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            let place = "\(file.name), line \(number + 1)"
            let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if bytes.allSatisfy({ $0 == UInt8(ascii: " ") }) { continue }
            let failure = try isTable ? Failure(row: bytes, place) : Failure(json: bytes, place)
            guard !failure.prompt.isEmpty, !failure.expected.isEmpty else {
                throw TaskError(
                    .badList, "a failure needs a prompt and an expected answer", subject: place,
                    found: failure.prompt.isEmpty ? "an empty prompt" : "an empty answer")
            }
            failures.append(failure)
        }
        guard !failures.isEmpty else {
            throw TaskError(
                .badList, "there are no failures in this file", subject: file.name,
                expected: isTable
                    ? "lines of prompt, tab, expected answer"
                    : "lines such as {\"prompt\": \"...\", \"expected\": \"...\"}")
        }
        return failures
    }

    /// Failures as JSON Lines, as ``read(_:)`` takes them.
    public static func lines(_ failures: [Failure]) -> [UInt8] {
        failures.flatMap { failure in
            var line: JSONObject = ["prompt": JSON(failure.prompt), "expected": JSON(failure.expected)]
            if let subject = failure.subject { line["subject"] = JSON(subject) }
            return JSON.object(line).serialized() + [UInt8(ascii: "\n")]
        }
    }

    private init(json line: Slice<UnsafeRawBufferPointer>, _ place: String) throws {
        let fields = JSONField(try JSON.parse(UnsafeRawBufferPointer(rebasing: line), source: place), source: place)
        self.init(
            prompt: try fields.require("prompt").string, expected: try fields.require("expected").string,
            subject: try fields.optional("subject")?.string)
    }

    private init(row: Slice<UnsafeRawBufferPointer>, _ place: String) throws {
        let columns = row.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
        guard columns.count == 2 else {
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
        self.init(prompt: try text(columns[0]), expected: try text(columns[1]))
    }
}
