import ArgumentParser
import Foundation
import SutureKit

/// Published MINT on the same failures, here and in PyTorch: time for each failure, and whether both do the same.
struct MintBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mint", abstract: "MINT beside two PyTorch implementations of it: as published, and optimized.")

    @Argument(help: "The model.") var model: String
    @Argument(help: "Failures, made by Benchmarks/peers/make_failures.py.") var failures: String
    @Option(help: "How many failures.") var limit = 10
    @Option(help: "How many threads.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func run() throws {
        Runtime.threads = threads
        printConditions(threads: threads, rounds: 1)
        let arguments = [failures, "--model", model, "--limit", "\(limit)", "--threads", "\(threads)"]
        let direct = try Child.peer("mint_direct.py", arguments)?.lines(Outcome.self) ?? []
        let own = try repair()
        let fast = try Child.peer("mint_direct.py", arguments + ["--fast"])?.lines(Outcome.self) ?? []

        print("".left(30) + "fixed".right(8) + "s, median".right(11) + "s, mean".right(9) + "ratio".right(8))
        for (name, outcomes) in [("Suture", own), ("PyTorch, as published", direct), ("PyTorch, optimized", fast)] {
            guard !outcomes.isEmpty else { continue }
            let seconds = outcomes.map(\.seconds)
            let ratio = median(zip(outcomes, own).map { $0.seconds / $1.seconds })
            print(
                name.left(30) + "\(outcomes.count { $0.fixed })".right(8)
                    + String(format: "%.2f", median(seconds)).right(11)
                    + String(format: "%.2f", seconds.reduce(0, +) / Double(seconds.count)).right(9)
                    + String(format: "%.1f", ratio).right(8))
        }
        for (name, peers) in [("as published", direct), ("optimized", fast)] where !peers.isEmpty {
            let pairs = zip(own, peers)
            let fixed = pairs.filter { $0.fixed && $1.fixed }
            print(
                "the same as PyTorch, \(name): outcome \(pairs.count { $0.fixed == $1.fixed }), candidates "
                    + "\(pairs.count { Set($0.candidates) == Set($1.candidates) }) of \(own.count), patched neurons "
                    + "\(fixed.count { $0.patched == $1.patched }) of the \(fixed.count) that both fix")
        }
    }

    private func repair() throws -> [Outcome] {
        let network = try LanguageModel.load(Checkpoint(URL(filePath: model)))
        let prepared = try MINT().prepared(RepairMaterial(network, texts: [], reserved: []))
        return try BenchmarkFailure.read(URL(filePath: failures)).prefix(limit).map { record in
            let clock = ContinuousClock()
            let start = clock.now
            let proposal = try prepared.propose(record.token, on: network)
            let time = (clock.now - start) / .seconds(1)
            return Outcome(
                fixed: proposal.abandoned == nil, patched: proposal.order.map { [$0.layer, $0.index] },
                candidates: proposal.candidates.map { [$0.layer, $0.index] }, seconds: time)
        }
    }

    /// One failure; keys as the peer's.
    private struct Outcome: Decodable {
        var fixed: Bool
        /// The neuron of each step, as layer and index.
        var patched: [[Int]]
        var candidates: [[Int]]
        var seconds: Double
    }
}
