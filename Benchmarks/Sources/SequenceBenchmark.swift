import ArgumentParser
import Foundation
import SutureKit

/// Many repairs one on top of the other: how many answers are right in the end, what it costs on other text, and whether
/// each can be taken off alone.
struct SequenceBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence", abstract: "Repair a list of failures in sequence and take single repairs off again.")

    @Argument(help: "The model.") var model: String
    @Argument(help: "Failures, as suture detect writes them.") var failures: String
    @Option(help: "The method, as suture repair has it.") var method = "recruit"
    @Option(help: "recruit: margin in logits.") var margin: Double?
    @Option(help: "recruit: how similar an input must be.") var threshold: Double?
    @Option(help: "How many failures.") var limit = 100
    @Option(help: "How many are solved for together.") var batch = 1
    @Option(help: "How many threads.") var threads: Int?

    func run() throws {
        if let threads { Runtime.threads = threads }
        guard var chosen = MethodName(rawValue: method)?.method else {
            throw ValidationError("--method is one of \(MethodName.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        if var recruit = chosen as? Recruit {
            if let margin { recruit.margin = margin }
            if let threshold { recruit.threshold = threshold }
            chosen = recruit
        }
        let checkpoint = try Checkpoint(URL(filePath: model))
        let network = try LanguageModel.load(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        let list = Array(try Failure.read(URL(filePath: failures)).prefix(limit))
        var told = 0
        var repair = try Repair(network, tokenizer, method: chosen, statistics: StatisticsCache(of: checkpoint)) {
            if $0 == "repairing", $1 >= told + 10 {
                told = $1
                FileHandle.standardError.write(Data("\($1) of \($2)\n".utf8))
            }
        }
        repair.batch = batch
        let result = try repair.run(list, modelName: checkpoint.url.lastPathComponent)
        let report = result.report
        let seconds = report.failures.map(\.seconds)
        print("failures               \(list.count)")
        print("fixed, right, given up \(report.count(.fixed)), \(report.count(.right)), \(report.count(.abandoned))")
        for outcome in report.failures.compactMap(\.reason) { print("  given up: \(outcome)") }
        print(
            String(
                format: "seconds a failure      median %.2f, mean %.2f", median(seconds),
                seconds.reduce(0, +) / Double(seconds.count)))
        print("neurons, matrices      \(report.neurons.count), \(report.matrices.count)")
        print(String(format: "relative norm          %.4f", report.relativeNorm))
        for (name, effects) in [("guards", report.sideEffects), ("held out", report.heldOut)] {
            print(
                name.left(23)
                    + String(
                        format: "KL %.2e, other top token %.2f%%, perplexity %.3f -> %.3f (%+.2f%%)",
                        effects.divergence,
                        100 * effects.changedTop, effects.perplexityBefore, effects.perplexityAfter,
                        100 * (effects.perplexityRatio - 1)))
        }
        try takeOff(result, list, checkpoint, network.architecture, tokenizer)
    }

    /// The repairs as patches of their own: all of them, and all but one.
    private func takeOff(
        _ result: Repair.Result, _ list: [Failure], _ checkpoint: Checkpoint, _ architecture: Architecture,
        _ tokenizer: Tokenizer
    ) throws {
        let patches = try result.patches(of: checkpoint, architecture)
        let all = try PatchedCheckpoint(checkpoint).adding(patches.map { AppliedPatch($0) })
        func right(_ patched: PatchedCheckpoint) throws -> Set<Int> {
            let model = try LanguageModel.load(checkpoint, replacing: patched.data)
            return Set(
                try list.indices.filter { index in
                    let tokens = try TokenizedFailure(list[index], tokenizer)
                    return try model.generate(tokens.prompt, limit: tokens.answer.count) == tokens.answer
                })
        }
        let stillRight = try right(all)
        print("right with all patches \(stillRight.count) of \(list.count)")

        let tensors = all.touched.keys.compactMap { checkpoint[$0.string] }
        func words(_ patched: PatchedCheckpoint) throws -> [[Float]] { try tensors.map { try patched.floats(of: $0) } }
        let base = try words(PatchedCheckpoint(checkpoint))
        let full = try words(all)
        var (own, others) = (0, 0)
        for (number, patch) in patches.enumerated() {
            let less = try words(all.removing(patch.id))
            // What the patch alone changes of the base is its own; everything else is to stay as it is with all patches.
            let alone = try words(PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]))
            var (isRestored, isKept) = (true, true)
            for tensor in tensors.indices {
                for place in base[tensor].indices {
                    if alone[tensor][place].bitPattern != base[tensor][place].bitPattern {
                        isRestored = isRestored && less[tensor][place].bitPattern == base[tensor][place].bitPattern
                    } else {
                        isKept = isKept && less[tensor][place].bitPattern == full[tensor][place].bitPattern
                    }
                }
            }
            own += isRestored ? 1 : 0
            others += isKept ? 1 : 0
            if (number + 1) % 10 == 0 {
                FileHandle.standardError.write(Data("\(number + 1) of \(patches.count) taken off\n".utf8))
            }
        }
        print(
            "taken off alone        \(patches.count): own weights as in the base \(own), others as they were \(others)")
        if let middle = patches.dropFirst(patches.count / 2).first {
            let failures = Set(result.steps[patches.count / 2].failures)
            let rest = try right(all.removing(middle.id))
            print(
                "right without one      \(rest.subtracting(failures).count) of the "
                    + "\(stillRight.subtracting(failures).count) others")
        }
    }
}
