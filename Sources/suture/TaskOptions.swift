import ArgumentParser
import Foundation
import SutureKit

/// What a model is asked: how the intents of data sets are put, and which of them.
struct TaskOptions: ParsableArguments {
    @Option(
        help: """
            The file with the code for each line of intents, where it is not all.cm beside all.nl; given once for each data \
            set of lines, or not at all.
            """)
    var codes: [String] = []

    @Option(
        help: """
            How intents are put: \(Template.named.map(\.name).joined(separator: ", ")); one for all data sets, or for each.
            """)
    var task = ["bash"]

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
        let known = Template.named.map(\.name)
        if let other = task.first(where: { !known.contains($0) }) {
            throw ValidationError("--task is \(known.joined(separator: ", ")), not \"\(other)\".")
        }
    }

    /// The files that are read for these data sets.
    func files(_ data: [String]) -> [String?] {
        data.flatMap { TaskSet.files(URL(filePath: $0)).map(\.relativePath) } + codes + [template]
    }

    /// The questions of each data set, and what their answers are written in where that is known.
    func questions(
        of data: [String], _ chat: ChatFormat?, related: Int = 0
    ) throws -> [(questions: [Question], language: SyntaxCheck.Language?)] {
        guard [1, data.count].contains(task.count) else {
            throw ValidationError("--task is given once, or once for each of the \(data.count) data sets.")
        }
        let names = task.count == 1 ? data.map { _ in task[0] } : task
        let templates = try names.map { name in
            var template = try chosenTemplate(name)
            if let chat { template.frame = template.frame.asTurns(chat) }
            return template
        }
        let urls = data.map { URL(filePath: $0) }
        let ofLines = urls.indices.filter { data.count == 1 || TaskSet.isLines(urls[$0]) }
        guard codes.isEmpty || codes.count == ofLines.count else {
            throw ValidationError("--codes is given once for each of the \(ofLines.count) data sets of lines.")
        }
        let pairs = zip(ofLines, codes).reduce(into: [:]) { $0[$1.0] = URL(filePath: $1.1) }
        let sets = try urls.indices.map { try TaskSet(contentsOf: urls[$0], codes: pairs[$0]) }
        return try sets.enumerated().map { index, set in
            if set.skipped > 0 {
                note(
                    "left out of \(urls[index].lastPathComponent): \(set.skipped) entries that are empty or repeat an intent"
                )
            }
            let questions = try set.questions(
                templates[index], shots: shots, limit: limit, seed: seed, part: part, related: related)
            let isNamed = frame == nil && template == nil
            return (questions, isNamed ? SyntaxCheck.Language(rawValue: names[index]) : nil)
        }
    }

    private func chosenTemplate(_ name: String) throws -> Template {
        if let template { return try Template(contentsOf: URL(filePath: template)) }
        if let frame { return Template(try Frame(frame)) }
        return Template.named.first { $0.name == name }?.template ?? Template(.bash)
    }
}

extension TaskSet.Part: ExpressibleByArgument {}
