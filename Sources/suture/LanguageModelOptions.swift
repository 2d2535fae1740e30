import ArgumentParser
import Foundation
import SutureKit

/// The language model that a command works on, and how much memory it may take.
struct LanguageModelOptions: ParsableArguments {
    @OptionGroup var files: ModelOptions

    @Option(
        help: ArgumentHelp(
            "How much memory of its own the model may take, such as 4GB: weights that do not fit are read from the file each "
                + "time. Half of what is free if not given.", valueName: "size"))
    var memory: MemorySize?

    var model: String { files.model }
    var url: URL { files.url }

    /// The same options for another command.
    var arguments: [String] { ["--device=\(files.device)"] + (memory.map { ["--memory=\($0.text)"] } ?? []) }

    func checkpoint() throws -> Checkpoint { try files.checkpoint() }

    /// Says what memory the model's weights and the process have taken.
    func noteMemory(of model: LanguageModel) {
        let (all, limit, held) = model.widening
        let parts = [all, held, min(all, limit)].map { Double($0).gigabytes }
        note(
            "weights are widened to \(parts[0]) of float32, of which \(parts[1]) are held and \(parts[2]) could be; "
                + "\(Double(MachineMemory.own).gigabytes) of memory in use")
    }

    /// Loads the model, with patches applied on the way.
    func load(
        _ checkpoint: Checkpoint, patches: [AppliedPatch] = [], ring: LayerRing? = nil
    ) throws -> LanguageModel {
        let patched = try patches.isEmpty ? nil : PatchedCheckpoint(checkpoint).adding(patches)
        return try LanguageModel.load(
            checkpoint, device: Device(files.device) ?? .cpu, memory: memory?.bytes, ring: ring
        ) {
            try patched?.data(for: $0, current: $1)
        }
    }
}

/// A number of bytes as people write it: `4GB`, `512MB`, `1.5GB`.
struct MemorySize: ExpressibleByArgument {
    let bytes: Int
    /// As it was given.
    let text: String

    init?(argument: String) {
        let units: [(String, Double)] = [("GB", 1e9), ("MB", 1e6)]
        guard let unit = units.first(where: { argument.uppercased().hasSuffix($0.0) }),
            let number = Double(argument.dropLast(2)), number > 0, number * unit.1 < 1e15
        else { return nil }
        bytes = Int(number * unit.1)
        text = argument
    }
}
