import ArgumentParser
import Foundation
import SutureKit

/// Tasks whose answers are judged by running them: how many of those that fail greedily have an answer that passes, are
/// repaired to give it, and pass in held-out words. Each is repaired from the original model.
struct ChecksBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checks", abstract: "Repair tasks until their tests pass, each from the original model.")

    @Argument(help: "The model.") var model: String
    @Argument(help: "Tasks, as suture repair --check takes them.") var tasks: String
    @Option(help: "The method, as suture repair has it.") var method = "recruit"
    @Option(help: "How many answers are drawn at most.") var samples = 200
    @Option(help: "How many tokens an answer has at most.") var tokens = 128
    @Option(help: "How many other wordings are repaired along.") var wordings = CheckedRepair.Settings().wordings
    @Option(help: "Random seed.") var seed: UInt64 = 0
    @Option(help: "How many tasks to skip.") var skip = 0
    @Option(help: "How many tasks.") var limit = Int.max
    @Option(help: "Every how many-th task.") var step = 1
    @Option(help: "Where to write one JSON line for each task.") var log: String?
    @Option(help: "How many threads.") var threads: Int?

    func run() throws {
        if let threads { (Runtime.threads, Parallel.limit) = (threads, threads) }
        guard let method = MethodName(rawValue: method)?.method else {
            throw ValidationError("--method is one of \(MethodName.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        let checkpoint = try Checkpoint(URL(filePath: model))
        let network = try LanguageModel.load(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        let list = try CheckedTask.read(
            MappedFile(URL(filePath: tasks)).copy(), name: tasks, kind: .command("false"))
        let chosen = stride(from: skip, to: list.count, by: step).prefix(limit)
        var settings = CheckedRepair.Settings()
        (settings.samples, settings.tokens, settings.wordings, settings.seed) = (samples, tokens, wordings, seed)
        let repair = try Repair(network, tokenizer, method: method, statistics: StatisticsCache(of: checkpoint))
        let checked = CheckedRepair(repair, by: AnswerCheck(in: try Sandbox()), settings: settings)
        var lines: [Line] = []
        let clock = ContinuousClock()
        if let log { try Data().write(to: URL(filePath: log)) }
        for index in chosen {
            let start = clock.now
            let report = try checked.run([list[index]], modelName: checkpoint.url.lastPathComponent).report
            guard let check = report.checks?.first else { continue }
            let line = Line(
                task: index, kind: list[index].kind == .python ? "python" : "bash", check: check,
                neurons: report.neurons.count, unrelated: report.sideEffects.divergence,
                objections: report.objections, reason: report.failures.first?.reason,
                seconds: (clock.now - start) / .seconds(1))
            lines.append(line)
            if let log {
                let file = try FileHandle(forWritingTo: URL(filePath: log))
                try file.seekToEnd()
                try file.write(contentsOf: JSONEncoder().encode(line) + Data("\n".utf8))
            }
            let words =
                "\(index) \(check.verdict.rawValue) \(check.source?.rawValue ?? "-") tried \(check.tried), "
                + "\(line.neurons) neurons, held out \(check.heldOutPasses) of \(check.heldOut.count)"
            FileHandle.standardError.write(Data((words + String(format: ", %.0f s\n", line.seconds)).utf8))
        }
        for kind in ["python", "bash"] { summarize(kind, lines.filter { $0.kind == kind }) }
        summarize("all", lines)
    }

    private struct Line: Encodable {
        let task: Int
        let kind: String
        let check: CheckOutcome
        let neurons: Int
        let unrelated: Double
        let objections: [String]
        let reason: String?
        let seconds: Double
    }

    private func summarize(_ name: String, _ lines: [Line]) {
        func share(_ part: Int, _ count: Int) -> String {
            let share = Estimate(part, of: count)
            return "\(part) of \(count)"
                + String(format: " = %.1f%% (%.1f to %.1f)", 100 * share.value, 100 * share.low, 100 * share.high)
        }
        let failing = lines.filter { $0.check.verdict != .right }
        let solved = failing.filter { $0.check.verdict != .unsolved }
        let passing = solved.filter(\.check.isPassing)
        print("\(name)")
        print("  fail greedily               \(share(failing.count, lines.count))")
        print("  solved in \(samples) samples        \(share(solved.count, failing.count))")
        print("  repaired, passing freely    \(share(passing.count, solved.count))")
        print("  adopted                     \(share(passing.count { $0.check.verdict == .adopted }, passing.count))")
        let names = Set(passing.flatMap { $0.check.heldOut.map(\.name) }).sorted()
        for kind in names + ["all"] {
            let groups = passing.map { $0.check.heldOut.filter { kind == "all" || $0.name == kind } }
                .filter { !$0.isEmpty }
            let shares = groups.map { Double($0.count(where: \.passes)) / Double($0.count) }
            let before = groups.map { Double($0.count(where: \.passedBefore)) / Double($0.count) }
            let now = Estimate(meanOfShares: shares)
            print(
                "  held out, \(kind)".left(30)
                    + String(
                        format: "%.1f%% (%.1f to %.1f) of %d tasks, before %.1f%%", 100 * now.value, 100 * now.low,
                        100 * now.high, groups.count, 100 * Estimate(meanOfShares: before).value))
        }
        guard !passing.isEmpty else { return }
        print("  neurons, median             \(median(passing.map { Double($0.neurons) }))")
        print(String(format: "  KL unrelated, median        %.2e", median(passing.map(\.unrelated))))
        print(String(format: "  seconds a task, median      %.1f", median(solved.map(\.seconds))))
    }
}
