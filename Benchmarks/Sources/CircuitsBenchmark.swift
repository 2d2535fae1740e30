import ArgumentParser
import Foundation
import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTokenizers

/// Scores of all edges, beside the program of Hanna et al.
struct CircuitsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "circuits", abstract: "Edge attribution beside EAP-IG in Python: the same scores, and the time.")

    @Argument(help: "A GGUF file or a snapshot directory of the family Llama.") var model: String
    @Option(help: "A clone of github.com/hannamw/EAP-IG.") var eapIG: String
    @Option(help: "A Python with transformer-lens 2, transformers and matplotlib.") var python: String
    @Option(help: "Pairs of prompts, of one length.") var pairs = 4
    @Option(help: "Points of integrated gradients.") var steps = 5
    @Option(help: "How often Suture is measured; the peer once, as it is slow.") var rounds = 3
    @Option(help: "Threads of one operator.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard pairs > 0, steps > 0, rounds > 0, threads > 0 else { throw ValidationError("the options are positive") }
    }

    private struct Request: Encodable {
        var model: String
        var eapIG: String
        var threads, steps: Int
        var batches: [Batch]

        struct Batch: Encodable {
            var base, source: [[Int]]
            var answer, other: [Int]
        }
    }

    private struct Answer: Decodable {
        var eap, eapIg: [Float]
        var eapSeconds, eapIgSeconds: Double
        var logitsApart: Double

        enum CodingKeys: String, CodingKey {
            case eap
            case eapIg = "eap_ig"
            case eapSeconds = "eap_seconds"
            case eapIgSeconds = "eap_ig_seconds"
            case logitsApart = "logits_apart"
        }
    }

    func run() throws {
        Runtime.threads = threads
        Runtime.keepFreedMemory()
        let checkpoint = try Checkpoint(URL(filePath: model))
        let tokenizer = try Tokenizer(checkpoint)
        let loaded = try LanguageModel.load(checkpoint)
        let all = try IOI(.heldOut, tokenizer).flipped(20 * pairs, seed: 5).map { try TokenizedPair($0, tokenizer) }
        let groups = Dictionary(grouping: all, by: \.base.count)
        guard let group = groups.values.max(by: { ($0.count, $0[0].base.count) < ($1.count, $1[0].base.count) }) else {
            return
        }
        let own = Array(group.prefix(pairs))
        printConditions(threads: threads, rounds: rounds)
        print("\(own.count) pairs of \(own[0].base.count) tokens, \(try CircuitGraph(of: loaded).edgeCount) edges")
        var (eap, integrated): ([Float], [Float]) = ([], [])
        // As a command does it: the prompts are run, too.
        func scored(_ body: (CircuitRuns) throws -> EdgeScores) throws -> [Float] {
            try body(CircuitRuns(loaded, own)).values
        }
        let eapTimes = try (0..<rounds).map { _ in try seconds { eap = try scored { try $0.attributed() } } }
        let times = try (0..<rounds).map { _ in
            try seconds { integrated = try scored { try $0.integrated(steps: steps) } }
        }
        line("Suture, EAP", median(eapTimes), "s")
        line("Suture, EAP-IG of \(steps) steps", median(times), "s")
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let batch = Request.Batch(
            base: own.map(\.base), source: own.map(\.source), answer: own.map(\.answer), other: own.map(\.other))
        let request = Request(model: model, eapIG: eapIG, threads: threads, steps: steps, batches: [batch])
        let url = FileManager.default.temporaryDirectory.appending(
            path: "suture-peer-\(ProcessInfo.processInfo.processIdentifier).json")
        defer { try? FileManager.default.removeItem(at: url) }
        try encoder.encode(request).write(to: url)
        guard var child = Child.peer("circuits_peer.py", [url.path], python: "interop") else { return }
        child.executable = URL(filePath: python)
        let peer = try child.run(Answer.self)
        line("largest difference of a logit of the two models", peer.logitsApart, "")
        for (name, mine, theirs, time, peerTime) in [
            ("EAP", eap, peer.eap, median(eapTimes), peer.eapSeconds),
            ("EAP-IG", integrated, peer.eapIg, median(times), peer.eapIgSeconds)
        ] {
            let expected = try EdgeScores(CircuitGraph(of: loaded), matrix: theirs)
            let size = expected.values.map(abs).max() ?? .nan
            let apart = zip(mine, expected.values).map { abs($0 - $1) }.max() ?? .nan
            line("\(name) in Python", peerTime, "s")
            line("\(name): Python / Suture", peerTime / time, "x")
            line("\(name): largest difference of a score, of the largest score", Double(apart / size), "")
        }
    }

    private func line(_ name: String, _ value: Double, _ unit: String) {
        print(name.left(64) + String(format: "%.6g", value).right(12) + " " + unit)
    }
}
