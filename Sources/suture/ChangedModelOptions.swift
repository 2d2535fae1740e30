import ArgumentParser
import Foundation
import SutureKit

/// A language model with patches and interventions on it, as commands that look into models take it.
struct ChangedModelOptions: ParsableArguments {
    @OptionGroup var model: LanguageModelOptions

    @Option(help: "A patch to apply on load, or FILE@X for X times it; may be given several times.")
    var patch: [ScaledPatch] = []

    @OptionGroup var interventions: InterventionOptions

    /// The files that are read.
    var files: [String] { [model.model] + patch.map(\.path) + interventions.files }

    /// What reports call it.
    var name: String { interventions.named(model.url.lastPathComponent) }

    func load(_ checkpoint: Checkpoint) throws -> LanguageModel {
        try interventions.applied(to: model.load(checkpoint, patches: appliedPatches(patch)))
    }
}
