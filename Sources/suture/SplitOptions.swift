import ArgumentParser
import Foundation
import SutureKit

/// How processes that `torchrun` started share the layers of a model that is too big for one of them.
struct SplitOptions: ParsableArguments {
    /// What processes share.
    enum Split: String, ExpressibleByArgument, CaseIterable { case layers }

    @Option(
        help: """
            What the processes that torchrun started share: layers, of which each then holds some (rank 0 the last). Of a model \
            that is too big for one machine; all start the same command.
            """)
    var split: Split?

    @Option(help: "How many seconds to wait for another of the processes that does not come or falls silent.")
    var patience = 30.0

    func validate() throws {
        guard patience >= 0.1, patience <= 86400 else {
            throw ValidationError("--patience is 0.1...86400 seconds, not \(patience).")
        }
    }

    /// This process among those that share layers; nil where none do.
    private var place: ProcessGroup.Place? {
        get throws {
            guard split != nil else { return nil }
            guard let place = try ProcessGroup.Place(environment: ProcessInfo.processInfo.environment) else {
                throw ValidationError(
                    "--split layers needs two processes at least: torchrun --nproc-per-node 2 --no-python -- suture ..."
                )
            }
            return place
        }
    }

    /// Loads the model, with patches applied on the way and under interventions: all of it, or the layers of this process.
    func load(
        _ model: LanguageModelOptions, _ checkpoint: Checkpoint, patches: [AppliedPatch] = [],
        _ interventions: InterventionOptions? = nil, printing: OutputOptions
    ) throws -> LanguageModel {
        guard let place = try place else {
            let network = try model.load(checkpoint, patches: patches)
            return try interventions?.applied(to: network) ?? network
        }
        guard model.files.device == "cpu" else {
            throw ValidationError("--split layers computes on the CPU, not with --device \(model.files.device).")
        }
        let group = try ProcessGroup(place, patience: patience)
        let ring = try LayerRing(
            group, of: checkpoint,
            agreed: [
                ("the command", CommandLine.arguments.dropFirst().joined(separator: " ")),
                ("the SHA-256 of the model's files", checkpoint.digest()),
                ("the list of patches", patches.map { "\($0.patch.id) at \($0.scale)" }.joined(separator: ", ")),
                ("what changes each run", interventions?.digest("") ?? "")
            ])
        if printing.format != .quiet { note(ring.shares.description(of: place.rank)) }
        let part = try model.load(checkpoint, patches: patches, ring: ring)
        let network = try interventions?.applied(to: part) ?? part
        if place.rank == 0 {
            ring.begin(with: network)
            Main.atEnd = { ring.end(code: $0) }
        } else {
            let code = try ring.serve(network)
            if code != 0, printing.format != .quiet { note("rank 0 has ended with exit code \(code)") }
            throw ExitCode(code)
        }
        return network
    }

    /// Whether this process is there to hold layers for rank 0: it then does so until that ends.
    func isHelper(
        _ model: LanguageModelOptions, patches: [AppliedPatch] = [],
        _ interventions: InterventionOptions? = nil, printing: OutputOptions
    ) throws -> Bool {
        guard let place = try place, place.rank > 0 else { return false }
        _ = try load(model, model.checkpoint(), patches: patches, interventions, printing: printing)
        return true
    }
}
