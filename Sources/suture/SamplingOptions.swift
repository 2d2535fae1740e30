import ArgumentParser
import SutureKit

/// How the next token is chosen.
struct SamplingOptions: ParsableArguments {
    @Option(help: "Draw tokens at this temperature; without it, and without the next three, always the most likely.")
    var temperature: Double?

    @Option(help: "Draw among this many of the most likely tokens.")
    var topK: Int?

    @Option(help: "Draw among the fewest tokens that together have this probability.")
    var topP: Double?

    @Option(help: "Draw among tokens at least this many times as likely as the most likely one.")
    var minP: Double?

    @Option(help: "Random seed of what is drawn. (default: 0)")
    var seed: UInt64?

    /// nil for the most likely token each time; so is a temperature of 0.
    var sampling: Sampling? {
        get throws {
            // The others are checked at a temperature of 0, too.
            if temperature == 0 { _ = try Sampling(topK: topK, topP: topP, minP: minP) }
            guard temperature != 0, temperature != nil || topK != nil || topP != nil || minP != nil else { return nil }
            return try Sampling(
                temperature: temperature ?? 1, topK: topK, topP: topP, minP: minP, seed: seed ?? 0)
        }
    }

    func validate() throws {
        do { _ = try sampling } catch let error as ModelError { throw ValidationError("--\(error.description)") }
        guard try seed == nil || sampling != nil else {
            throw ValidationError(
                temperature == 0
                    ? "--temperature 0 takes the most likely token each time: leave out --seed."
                    : "--seed goes with --temperature, --top-k, --top-p or --min-p.")
        }
    }
}
