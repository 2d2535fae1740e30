import ArgumentParser
import Foundation
import SutureKit

/// A method of repair on real failures: what it fixes, what carries over, what else changes, and how long it takes.
///
/// Failures come from `Benchmarks/peers/make_failures.py`. Each is repaired from the original model.
struct RepairBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Repair failures of NL2Bash one by one and measure everything.")

    @Argument(help: "The model.") var model: String
    @Argument(help: "Failures, made by Benchmarks/peers/make_failures.py.") var failures: String
    @Option(help: "The method, as suture repair has it.") var method = "recruit"
    @Option(help: "recruit and gap: margin in logits.") var margin: Double?
    @Option(help: "recruit: how similar an input must be.") var threshold: Double?
    @Option(help: "recruit: how sharply inputs are told apart.") var sharpness: Double?
    @Option(help: "gap: how many of the last layers.") var layers: Int?
    @Option(help: "mint: the patch factor.") var factor: Double?
    @Option(help: "How many failures.") var limit = Int.max
    @Option(help: "How many failures to skip.") var skip = 0
    @Flag(help: "Repair whole commands rather than the first wrong token.") var commands = false
    @Flag(help: "Only repair: no side effects, no variants.") var fast = false
    @Option(help: "How many threads.") var threads: Int?
    @Option(help: "Where to write one JSON line for each failure.") var log: String?

    func run() throws {
        if let threads { Runtime.threads = threads }
        let checkpoint = try Checkpoint(URL(filePath: model))
        let network = try LanguageModel.load(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        let chosen = try chooseMethod()
        let prepared = try chosen.prepared(
            RepairMaterial(
                network, texts: Texts.reference.map { tokenizer.encode($0).ids }, reserved: []
            ))
        let records = try BenchmarkFailure.read(URL(filePath: failures)).dropFirst(skip).prefix(limit)
        let guards =
            fast
            ? []
            : try Texts.guards.map {
                try ReferenceRun(network, [tokenizer.encode($0).ids])
            }
        var lines: [Line] = []
        let clock = ContinuousClock()
        for (index, record) in records.enumerated() {
            let failure = commands ? record.command : record.token
            let start = clock.now
            let proposal = try prepared.propose(failure, on: network)
            var line = Line(
                seconds: (clock.now - start) / .seconds(1), fixed: false, rank: record.rank,
                steps: proposal.steps,
                neurons: proposal.change.neurons.map(\.neuron.description),
                candidates: proposal.candidates.map(\.description),
                abandoned: proposal.abandoned)
            if proposal.abandoned == nil {
                let patched = try network.applying(proposal.change)
                line.fixed = try patched.write(failure) == failure.answer
                if !fast { try measure(&line, record, failure, proposal, network, patched, guards) }
            }
            if !commands {
                let forward = clock.now
                try forwardBackward(network, failure)
                line.forwardBackward = (clock.now - forward) / .seconds(1)
            }
            lines.append(line)
            if (index + 1) % 10 == 0 { FileHandle.standardError.write(Data("\(index + 1) of \(records.count)\n".utf8)) }
        }
        try Summary(lines).show()
        if let log {
            let encoder = JSONEncoder()
            let text = try lines.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }.joined()
            try AtomicFile.write(Array(text.utf8), to: URL(filePath: log), overwriting: true)
        }
    }

    private func chooseMethod() throws -> any RepairMethod {
        switch method {
        case "recruit":
            var recruit = Recruit()
            if let margin { recruit.margin = margin }
            if let threshold { recruit.threshold = threshold }
            if let sharpness { recruit.sharpness = sharpness }
            return recruit
        case "gap":
            var step = GapStep()
            if let margin { step.margin = margin }
            if let layers { step.layers = layers }
            return step
        case "mint":
            var mint = MINT()
            if let factor { mint.factor = factor }
            return mint
        default:
            guard let other = MethodName(rawValue: method)?.method else {
                throw ValidationError(
                    "--method is one of \(MethodName.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return other
        }
    }

    /// What one forward and one backward pass of the prompt cost, the unit of the time bar.
    private func forwardBackward(_ model: LanguageModel, _ failure: TokenizedFailure) throws {
        let leaf = try Tensor.zeros([1, failure.prompt.count, model.architecture.width]).tracked()
        let logits = try model.run([failure.prompt], [Intervention(.residual(0), .add(leaf))]).logits
        _ = try logits.logSoftmax().selected(1, failure.answer[0]).sum().gradients(of: [leaf])
    }

    private func measure(
        _ line: inout Line, _ record: BenchmarkFailure, _ failure: TokenizedFailure, _ proposal: Proposal,
        _ model: LanguageModel, _ patched: LanguageModel, _ guards: [ReferenceRun]
    ) throws {
        let unrelated = try Divergence(guards, proposal.change)
        line.unrelated = unrelated.mean
        line.flips = unrelated.changedShare
        line.related = try Divergence(record.related.map { try ReferenceRun(model, $0) }, proposal.change).mean
        guard !commands else { return }
        for variant in record.variants {
            let top = try Int(patched.run([variant.prompt]).logits.squeezed(0).argmax().item())
            line.carried[variant.kind, default: []].append(top == failure.answer[0])
        }
    }

    /// What was measured of one failure.
    struct Line: Encodable {
        var seconds: Double
        var fixed: Bool
        var rank: Int
        var steps: Int
        var neurons: [String]
        var candidates: [String]
        var abandoned: String?
        var unrelated: Double?
        var flips: Double?
        var related: Double?
        var carried: [String: [Bool]] = [:]
        var forwardBackward: Double?
    }
}

/// A failure as `make_failures.py` writes it.
struct BenchmarkFailure {
    var token: TokenizedFailure
    var command: TokenizedFailure
    var rank: Int
    var variants: [(kind: String, prompt: [Int])]
    var related: [TokenizedFailure]

    static func read(_ url: URL) throws -> [BenchmarkFailure] {
        let file = try MappedFile(url)
        return try file.bytes.split(separator: UInt8(ascii: "\n")).enumerated().map { number, line in
            let source = "\(file.name), line \(number + 1)"
            let json = JSONField(try JSON.parse(UnsafeRawBufferPointer(rebasing: line), source: source), source: source)
            func ids(_ field: JSONField) throws -> [Int] { try field.array.map { try $0.int } }
            func pair(_ field: JSONField) throws -> TokenizedFailure {
                TokenizedFailure(
                    prompt: try ids(field.require("prompt_ids")), answer: try ids(field.require("expected_ids")))
            }
            let command = try pair(json.require("command"))
            return BenchmarkFailure(
                token: TokenizedFailure(
                    prompt: try ids(json.require("prompt_ids")), answer: [try json.require("target_id").int],
                    question: command.question),
                command: command, rank: try json.require("rank").int,
                variants: try json.require("variants").array.map {
                    (try $0.require("kind").string, try ids($0.require("prompt_ids")))
                },
                related: try json.require("related").array.map(pair))
        }
    }
}

/// The figures of a run.
private struct Summary {
    let lines: [RepairBenchmark.Line]

    init(_ lines: [RepairBenchmark.Line]) { self.lines = lines }

    func show() throws {
        let fixed = lines.filter(\.fixed)
        let neurons = fixed.map { Double(Set($0.neurons).count) }
        print("failures            \(lines.count)")
        print("fixed               \(fixed.count) (\(percent(fixed.count, lines.count)))")
        for (name, ranks) in [
            ("rank 2", 2...2), ("rank 3-10", 3...10), ("rank 11-100", 11...100), ("rank > 100", 101...Int.max)
        ] {
            let group = lines.filter { ranks.contains($0.rank) }
            print(
                "  \(name.padding(toLength: 17, withPad: " ", startingAt: 0)) \(group.count(where: \.fixed)) of \(group.count)"
            )
        }
        print(
            "neurons             median \(format(quantile(neurons, 0.5))), 95th percentile \(format(quantile(neurons, 0.95)))"
        )
        print("steps               median \(format(quantile(fixed.map { Double($0.steps) }, 0.5)))")
        print(
            "seconds             median \(format(quantile(lines.map(\.seconds), 0.5))), mean \(format(mean(lines.map(\.seconds))))"
        )
        let passes = lines.compactMap(\.forwardBackward)
        if !passes.isEmpty {
            print("forward + backward  median \(format(quantile(passes, 0.5))) s")
            let ratio = zip(lines.map(\.seconds), passes).map { $0 / $1 }
            print("time / (fwd + bwd)  median \(format(quantile(ratio, 0.5)))")
        }
        report("KL unrelated", fixed.compactMap(\.unrelated))
        report("flips unrelated", fixed.compactMap(\.flips))
        report("KL related", fixed.compactMap(\.related))
        for kind in Set(fixed.flatMap(\.carried.keys)).sorted() {
            let all = fixed.compactMap { $0.carried[kind] }.flatMap(\.self)
            print(
                "carried, \(kind.padding(toLength: 12, withPad: " ", startingAt: 0)) \(percent(all.count(where: \.self), all.count)) of \(all.count)"
            )
        }
    }

    private func report(_ name: String, _ values: [Double]) {
        guard !values.isEmpty else { return }
        let (low, high) = interval(values)
        let padded = name.padding(toLength: 19, withPad: " ", startingAt: 0)
        print(
            "\(padded) mean \(format(mean(values))) [\(format(low)), \(format(high))], median \(format(quantile(values, 0.5))), 95th percentile \(format(quantile(values, 0.95)))"
        )
    }

    private func format(_ value: Double) -> String { String(format: "%.3g", value) }
    private func percent(_ part: Int, _ whole: Int) -> String {
        String(format: "%.1f%%", 100 * Double(part) / Double(max(1, whole)))
    }
    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }

    private func quantile(_ values: [Double], _ q: Double) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, Int((q * Double(sorted.count - 1)).rounded()))]
    }

    /// The 95% bootstrap interval of the mean.
    private func interval(_ values: [Double]) -> (Double, Double) {
        var generator = SystemRandomNumberGenerator()
        let means = (0..<1000).map { _ in mean(values.map { _ in values.randomElement(using: &generator) ?? 0 }) }
        return (quantile(means, 0.025), quantile(means, 0.975))
    }
}
