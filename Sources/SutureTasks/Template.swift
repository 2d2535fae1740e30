import Foundation
import SutureFormats

/// A frame and the examples that stand before each question: what a user writes into a file.
public struct Template: Sendable, Equatable {
    public var frame: Frame
    /// The examples, in their order; nil where some are drawn from the data set for each question.
    public var examples: [TaskSet.Task]?

    /// A frame, and examples of its own if it has any.
    public init(_ frame: Frame, examples: [TaskSet.Task]? = nil) {
        self.frame = frame
        self.examples = examples
    }

    /// The templates that are built in, by name.
    public static let named: [(name: String, template: Template)] = [
        ("bash", Template(.bash)), ("python", Template(.python)), ("shellcode", Template(.shellcode)),
        ("fact", Template(.fact))
    ]

    /// Reads a JSON file with `frame`, such as `"Q: {intent}\nA: {code}\n\n"`, and, if there are any, `examples`: objects
    /// with `intent` and `code`. No examples (`[]`) make a zero-shot prompt.
    ///
    /// Throws ``TaskError`` or a `FormatError`, naming the place.
    public init(contentsOf url: URL) throws {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        let root = JSONField(try JSON.parse(file.text, source: file.name), source: file.name)
        do {
            frame = try Frame(root.require("frame").string)
        } catch let error as TaskError {
            throw TaskError(
                .badList, "this is no frame", subject: "\(file.name), frame", expected: error.expected,
                found: error.subject)
        }
        examples = try root.optional("examples")?.array.map { example in
            let task = TaskSet.Task(
                intent: try example.require("intent").string, code: try example.require("code").string)
            guard !task.intent.isEmpty, !task.code.isEmpty else {
                throw TaskError(.badList, "an example is empty", subject: example.path)
            }
            return task
        }
    }
}
