import ArgumentParser
import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// Greedy decoding as a user meets it: a fresh process, its first token, then the rest.
struct Decode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Process start to first token, decoding speed and peak memory, beside transformers.")

    @OptionGroup var options: DecodingOptions
    @Option(help: "How often the two sides are measured, in turn.") var rounds = 3

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds is positive") }
    }

    func run() throws {
        let arguments = [
            "--tokens", "\(options.tokens)", "--threads", "\(options.threads)", "--prompt", options.prompt
        ]
        let own = Child.itself(["decode-once", options.model] + arguments)
        let peer = Child.peer("decode_peer.py", ["--model", options.model] + arguments)
        printConditions(threads: options.threads, rounds: rounds)

        var ours: [DecodeReport] = []
        var theirs: [DecodeReport] = []
        for _ in 0..<rounds {
            let start = Date()
            var report = try own.run(DecodeReport.self)
            report.startToFirstToken = report.firstTokenAt.map { $0 - start.timeIntervalSince1970 }
            ours.append(report)
            if let peer { theirs.append(try peer.run()) }
        }

        print("".left(28) + "Suture".right(12) + "transformers".right(14) + "ratio".right(9))
        printLine("start to first token, s", ours, theirs) { $0.startToFirstToken ?? .nan }
        printLine("time for each token, ms", ours, theirs) { 1000 / ($0.tokensPerSecond ?? .nan) }
        printLine("peak memory, MB", ours, theirs) { $0.peakMegabytes }
        if let mine = ours.first?.tokens, let other = theirs.first?.tokens {
            print(mine == other ? "the same \(mine.count) tokens" : "tokens differ: \(mine) and \(other)")
        }
    }

    /// The ratio is transformers / Suture, round by round.
    private func printLine(
        _ name: String, _ ours: [DecodeReport], _ theirs: [DecodeReport], _ value: (DecodeReport) -> Double
    ) {
        let number = { (value: Double) in String(format: "%.2f", value) }
        var text = name.left(28) + number(median(ours.map(value))).right(12)
        if !theirs.isEmpty {
            text += number(median(theirs.map(value))).right(14)
            text += number(median(zip(theirs, ours).map { value($0) / value($1) })).right(9)
        }
        print(text)
    }
}

struct DecodingOptions: ParsableArguments {
    @Argument(help: "A GGUF file or a snapshot directory.") var model: String
    @Option(help: "What is continued.") var prompt = "The capital of France is"
    @Option(help: "How many tokens are generated.") var tokens = 64
    @Option(help: "Threads of one operator.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard tokens > 1, threads > 0 else { throw ValidationError("--tokens is at least 2, --threads positive") }
    }
}

/// What one process measured; keys as the peer's.
struct DecodeReport: Codable {
    var startToFirstToken: Double?
    /// Seconds since 1970; whoever started the process knows when that was.
    var firstTokenAt: Double?
    var tokensPerSecond: Double?
    var peakMegabytes: Double
    var tokens: [Int]

    enum CodingKeys: String, CodingKey {
        case startToFirstToken = "start_to_first_token_s"
        case firstTokenAt = "first_token_at"
        case tokensPerSecond = "tokens_per_second"
        case peakMegabytes = "peak_rss_mb"
        case tokens
    }
}
