import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureTokenizers

/// The answers that several patches of a model repaired, asked for with all of the patches applied: repairs that were made
/// apart may undo one another without changing the same neuron.
public struct StackedAnswers: Sendable, Codable {
    /// An answer that its own patch gives, and all together do not.
    public struct Lost: Sendable, Codable {
        public let patch: String
        public let prompt: String
        public let expected: String
    }

    /// How many answers were asked for.
    public let asked: Int
    public let lost: [Lost]

    /// Asks; nil where fewer than two patches say what they repaired. Patches that are not applied in whole are not asked
    /// about.
    ///
    /// Throws `ModelError` for a model that is not loaded, `TokenizerError` for one without a tokenizer.
    public init?(_ patched: PatchedCheckpoint, device: Device = .cpu, progress: ProgressHandler = { _, _, _ in }) throws
    {
        let repairing = patched.stack.patches.filter { $0.scale == 1 && !$0.patch.repaired.isEmpty }
        guard repairing.count > 1 else { return nil }
        let checkpoint = patched.checkpoint
        let tokenizer = try Tokenizer(checkpoint)
        let together = try LanguageModel.load(checkpoint, device: device, replacing: patched.data)
        var missing: [(patch: Patch, failure: Failure)] = []
        var asked = 0
        for (number, patch) in repairing.enumerated() {
            progress("asking for repaired answers", number, repairing.count)
            asked += patch.patch.repaired.count
            for failure in patch.patch.repaired where try !Self.gives(failure, together, tokenizer) {
                missing.append((patch.patch, failure))
            }
        }
        progress("asking for repaired answers", repairing.count, repairing.count)
        // What its own patch does not give either, such as an answer in another chat format, was not lost by stacking.
        // One at a time: a model may be large.
        var alone: (patch: String, model: LanguageModel)?
        lost = try missing.enumerated().compactMap { number, entry in
            let (patch, failure) = entry
            progress("asking each patch alone", number, missing.count)
            let own = Set(patch.parents + [patch.id])
            let model: LanguageModel
            if let alone, alone.patch == patch.id {
                model = alone.model
            } else {
                let reduced = try patched.stack.patches.map(\.patch.id).filter { !own.contains($0) }.reduce(patched) {
                    try $0.removing($1)
                }
                model = try LanguageModel.load(checkpoint, device: device, replacing: reduced.data)
                alone = (patch.id, model)
            }
            guard try Self.gives(failure, model, tokenizer) else { return nil }
            return Lost(patch: patch.id, prompt: failure.prompt, expected: failure.expected)
        }
        self.asked = asked
    }

    /// Throws ``RepairError`` with code `guarded`, naming the first, where answers were lost.
    public func check() throws {
        guard let first = lost.first else { return }
        throw RepairError(
            .guarded, "repaired answers are gone with these patches together", subject: "\"\(first.prompt)\"",
            expected: "\"\(first.expected)\", which patch \(first.patch.prefix(15)) repaired",
            found: "\(lost.count) of \(asked) answers lost",
            hint: "make one patch anew on top of the others with suture rebase, or look away with --allow-conflicts")
    }

    private static func gives(_ failure: Failure, _ model: LanguageModel, _ tokenizer: Tokenizer) throws -> Bool {
        try Detection(of: [failure], in: model, tokenizer).areAllRight
    }
}
