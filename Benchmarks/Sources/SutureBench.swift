import ArgumentParser

/// Measurements of Suture, each beside a peer where there is one.
///
/// Both sides run in turn, several rounds; what is printed is the median. Times depend on the machine and what else it
/// does: quote the ratios.
@main
struct SutureBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suture-bench",
        abstract: "Measures Suture beside its peers, in turn, and prints medians and ratios.",
        subcommands: [
            Ops.self, Decode.self, DecodeOnce.self, Replay.self, RepairBenchmark.self, MintBenchmark.self,
            MethodsBenchmark.self,
            SequenceBenchmark.self, ChecksBenchmark.self, MemoryBenchmark.self, PatchesBenchmark.self,
            SubspacesBenchmark.self, CircuitsBenchmark.self,
            VisionBenchmark.self,
            SignaturesBenchmark.self, CorruptionsBenchmark.self
        ])
}
