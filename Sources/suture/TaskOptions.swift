import ArgumentParser
import Foundation
import SutureKit

/// What a model is asked: a data set, how its intents are put, and which of them.
struct TaskOptions: ParsableArguments {
    @Option(help: "The file with the code for each line of intents.")
    var codes: String?

    @Option(help: "How intents are put: \(Template.named.map(\.name).joined(separator: ", ")).")
    var task = "bash"

    @Option(help: "A frame of your own, such as 'Q: {intent}\\nA: {code}\\n\\n'.")
    var frame: String?

    @Option(help: "A JSON file with a frame and, if there are any, its own examples.")
    var template: String?

    @Option(help: "How many examples from the data set stand before an intent.")
    var shots = 3

    @Option(help: "How many intents are asked.")
    var limit = 100

    @Option(help: "Which intents are asked, and which are examples.")
    var seed: UInt64 = 0

    @Option(help: "A part of the data set: \(TaskSet.Part.allCases.map(\.rawValue).joined(separator: ", ")).")
    var part = TaskSet.Part.all

    func validate() throws {
        guard (0...64).contains(shots) else { throw ValidationError("--shots is 0...64, not \(shots).") }
        guard limit > 0 else { throw ValidationError("--limit is 1 or more, not \(limit).") }
        guard frame == nil || template == nil else { throw ValidationError("Give --frame or --template, not both.") }
        guard Template.named.contains(where: { $0.name == task }) else {
            throw ValidationError("--task is \(Template.named.map(\.name).joined(separator: ", ")), not \"\(task)\".")
        }
    }

    /// The questions, and how they are put.
    func questions(of data: String, related: Int = 0) throws -> [Question] {
        let chosen = try chosenTemplate()
        let set = try TaskSet(contentsOf: URL(filePath: data), codes: codes.map { URL(filePath: $0) })
        if set.skipped > 0 { note("left out: \(set.skipped) entries that are empty or repeat an intent") }
        return try set.questions(chosen, shots: shots, limit: limit, seed: seed, part: part, related: related)
    }

    private func chosenTemplate() throws -> Template {
        if let template { return try Template(contentsOf: URL(filePath: template)) }
        if let frame { return Template(try Frame(frame)) }
        return Template.named.first { $0.name == task }?.template ?? Template(.bash)
    }
}

extension TaskSet.Part: ExpressibleByArgument {}
