import ArgumentParser
import Foundation
import SutureKit

/// STAR and ROME on the same failures, here and in plain PyTorch: time for each failure, and whether both do the same.
struct MethodsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "methods", abstract: "STAR and ROME beside plain PyTorch implementations of them.")

    @Argument(help: "The model.") var model: String
    @Argument(help: "Failures, made by Benchmarks/peers/make_failures.py.") var failures: String
    @Option(help: "How many failures.") var limit = 10
    @Option(help: "How many threads.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func run() throws {
        Runtime.threads = threads
        printConditions(threads: threads, rounds: 1)
        let checkpoint = try Checkpoint(URL(filePath: model))
        let network = try LanguageModel.load(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        let texts = Texts.reference.map { tokenizer.encode($0).ids }
        let file = URL.temporaryDirectory.appending(path: "suture-texts-\(UUID().uuidString).json")
        try JSONEncoder().encode(texts).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let arguments = [
            failures, "--texts", file.path, "--model", model, "--limit", "\(limit)", "--threads", "\(threads)"
        ]
        let records = try BenchmarkFailure.read(URL(filePath: failures)).prefix(limit)

        print(
            "".left(8) + "fixed".right(8) + "PyTorch".right(9) + "s, median".right(11) + "PyTorch".right(9)
                + "ratio".right(8) + "  largest difference of probability, of norm")
        for (name, method) in [("star", STAR()), ("rome", ROME())] as [(String, any RepairMethod)] {
            let own = try repair(Array(records), method, network, texts)
            let peer = try Child.peer("\(name)_direct.py", arguments)?.lines(Outcome.self) ?? []
            let both = zip(own, peer).filter { $0.fixed && $1.fixed }
            let ratio = peer.isEmpty ? .nan : median(zip(own, peer).map { $1.seconds / $0.seconds })
            let probability = both.map { abs($0.probability - $1.probability) }.max() ?? .nan
            let norm = both.map { abs($0.norm / $1.norm - 1) }.max() ?? .nan
            print(
                name.left(8) + "\(own.count(where: \.fixed))".right(8) + "\(peer.count(where: \.fixed))".right(9)
                    + String(format: "%.2f", median(own.map(\.seconds))).right(11)
                    + String(format: "%.2f", peer.isEmpty ? .nan : median(peer.map(\.seconds))).right(9)
                    + String(format: "%.1f", ratio).right(8) + String(format: "  %.1e, %.1e", probability, norm)
                    + "; the same outcome \(zip(own, peer).count { $0.fixed == $1.fixed }) of \(own.count)")
        }
    }

    private func repair(
        _ records: [BenchmarkFailure], _ method: any RepairMethod, _ network: LanguageModel, _ texts: [[Int]]
    ) throws -> [Outcome] {
        let prepared = try method.prepared(RepairMaterial(network, texts: texts))
        return try records.map { record in
            let clock = ContinuousClock()
            let start = clock.now
            let proposal = try prepared.propose(record.token, on: network)
            let time = (clock.now - start) / .seconds(1)
            let after = try network.applying(proposal.change).scores(record.token).probabilities[0]
            return Outcome(
                fixed: proposal.abandoned == nil, probability: after, norm: try proposal.change.norm, seconds: time)
        }
    }

    /// One failure; keys as the peers'.
    private struct Outcome: Decodable {
        var fixed: Bool
        /// Of the answer's token, after the repair.
        var probability: Double
        /// The Euclidean norm of the change.
        var norm: Double
        var seconds: Double
    }
}
