import ArgumentParser
import Foundation
import SutureKit

/// How answers are judged by running them, and how they are looked for.
struct CheckOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Repair until this passes, in a sandbox: python or bash (with the test of each task), or a command of the shell "
                + "that finds the files prompt, answer ({} stands for it) and test, and says by exit code 0 that the answer "
                + "holds.", valueName: "python|bash|command"))
    var check: String?

    @Option(help: "A file with the test for --prompt (with --check).")
    var test: String?

    @Option(help: "An answer to try before the model's own; may be repeated (with --check).")
    var candidate: [String] = []

    @Option(help: "How many answers are drawn at most (with --check). (default: 200)")
    var samples: Int?

    @Option(help: "Draw them at this temperature (with --check). (default: 0.8)")
    var temperature: Double?

    @Option(help: "Random seed of what is drawn (with --check). (default: 0)")
    var seed: UInt64?

    @Option(
        name: [.customShort("n"), .long], help: "How many tokens an answer has at most (with --check). (default: 256)")
    var tokens: Int?

    @Option(
        help: """
            An answer ends where the text holds this, without it; may be repeated (with --check; otherwise Python ends before \
            a line that is not indented, bash before an empty one, a chat with its turn).
            """)
    var stop: [String] = []

    @Option(
        help:
            "How many other wordings, made by rule, are repaired along, 0...\(CheckOptions.mostWordings) (with --check)."
    )
    var wordings: Int?

    @Option(
        help: "Limits of a run: seconds=10,memory=512,processes=32, or some of these; memory in MiB (with --check).")
    var sandbox: CommaList<NamedNumber>?

    static let mostWordings = 2

    private var others: [String] {
        [
            test.map { _ in "--test" }, candidate.isEmpty ? nil : "--candidate", samples.map { _ in "--samples" },
            temperature.map { _ in "--temperature" }, seed.map { _ in "--seed" }, tokens.map { _ in "--tokens" },
            stop.isEmpty ? nil : "--stop", wordings.map { _ in "--wordings" }, sandbox.map { _ in "--sandbox" }
        ].compactMap(\.self)
    }

    func validate() throws {
        guard let command = check else {
            if let other = others.first { throw ValidationError("\(other) goes with --check.") }
            return
        }
        guard command.contains(where: { !$0.isWhitespace }) else { throw ValidationError("--check is empty.") }
        func require(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
            guard let value, !range.contains(value) else { return }
            throw ValidationError("--\(name) is \(range.lowerBound)...\(range.upperBound), not \(value).")
        }
        try require("samples", samples, 0...100_000)
        try require("tokens", tokens, 1...100_000)
        try require("wordings", wordings, 0...Self.mostWordings)
        if let temperature, !(temperature > 0 && temperature.isFinite) {
            throw ValidationError("--temperature is above 0.")
        }
        guard !stop.contains("") else { throw ValidationError("--stop is empty.") }
        guard !candidate.contains("") else { throw ValidationError("--candidate is empty.") }
        guard limits != nil else {
            throw ValidationError("--sandbox sets seconds, memory and processes, each at least 1, such as seconds=30.")
        }
    }

    /// What a run may use; nil where that is not understood.
    private var limits: Sandbox.Limits? {
        var limits = Sandbox.Limits()
        for limit in sandbox?.elements ?? [] {
            guard limit.value >= 1, limit.value <= 1_000_000 else { return nil }
            switch limit.name {
            case "seconds": limits.seconds = limit.value
            case "memory": limits.memory = Int(limit.value)
            case "processes": limits.processes = Int(limit.value)
            default: return nil
            }
        }
        return limits
    }

    /// What judges, once the sandbox was tried; nil without `--check`.
    func judge() throws -> AnswerCheck? {
        guard check != nil else { return nil }
        return AnswerCheck(in: try Sandbox(limits ?? .init()))
    }

    var settings: CheckedRepair.Settings {
        var settings = CheckedRepair.Settings()
        if let samples { settings.samples = samples }
        if let temperature { settings.temperature = temperature }
        if let seed { settings.seed = seed }
        if let tokens { settings.tokens = tokens }
        if let wordings { settings.wordings = wordings }
        if !stop.isEmpty { settings.stops = stop.map { $0.replacing("\\n", with: "\n") } }
        return settings
    }

    /// The tasks of a file, or the one that is asked by `prompts`, wordings of it.
    func tasks(
        file: String?, prompts: [String], expected: String?, _ chat: ChatFormat?
    ) throws -> [CheckedTask] {
        let kind = AnswerCheck.Kind(check ?? "")
        if let file {
            let bytes = try file == "-" ? readInput() : MappedFile(URL(filePath: file)).copy()
            let name = file == "-" ? "standard input" : URL(filePath: file).relativePath
            return try CheckedTask.read(bytes, name: name, kind: kind, chat: chat).map { task in
                var task = task
                task.candidates = candidate + task.candidates
                return task.askedUpToItsLastWord
            }
        }
        let asked = try prompts.map { prompt in
            CheckedTask.Wording(
                "yours", prompt: try chat?.prompt([ChatMessage("user", prompt)]) ?? prompt, question: prompt)
        }
        let text = try test.map { String(decoding: try MappedFile(URL(filePath: $0)).copy(), as: UTF8.self) }
        var task = CheckedTask(
            prompt: asked[0].prompt, question: asked[0].question, isChat: chat != nil, kind: kind, test: text,
            wordings: Array(asked.dropFirst()), candidates: candidate + [expected].compactMap(\.self))
        try task.addVariants(chat)
        return [task.askedUpToItsLastWord]
    }
}
