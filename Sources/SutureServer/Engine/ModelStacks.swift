import Foundation
import SutureFormats
import SutureModels
import SuturePatches

/// Models with patches on them, made when they are first asked for: each shares all weights but the changed ones.
actor ModelStacks {
    private let executor = EngineExecutor("suture.stacks")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let checkpoint: Checkpoint
    nonisolated let base: LanguageModel
    private var made: [(key: [Key], model: LanguageModel, bytes: Int)] = []
    /// How much room the changed tensors of models that are kept take, in bytes.
    private let room: Int

    private struct Key: Hashable {
        var patch: String
        var scale: Double
    }

    init(_ checkpoint: Checkpoint, _ base: LanguageModel, room: Int = 1 << 30) {
        (self.checkpoint, self.base, self.room) = (checkpoint, base, room)
    }

    /// The model that `--patch` makes of the same files.
    ///
    /// Throws `PatchError` for patches of another base, or that exclude one another.
    func model(_ patches: [AppliedPatch]) throws -> LanguageModel {
        let patches = patches.filter { $0.scale != 0 }
        guard !patches.isEmpty else { return base }
        // The weights do not depend on the order.
        let key = patches.map { Key(patch: $0.patch.id, scale: $0.scale) }.sorted { $0.patch < $1.patch }
        if let place = made.firstIndex(where: { $0.key == key }) {
            let found = made.remove(at: place)
            made.append(found)
            return found.model
        }
        let patched = try PatchedCheckpoint(checkpoint).adding(patches)
        let names = Set(patched.touched.keys.map(\.string))
        let model = try base.replacing(names, of: checkpoint) { try patched.data(for: $0, current: $1) }
        let bytes = names.compactMap { checkpoint[$0] }.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) }
        made.append((key, model, bytes))
        while made.count > 1, made.reduce(0, { $0 + $1.bytes }) > room { made.removeFirst() }
        return model
    }
}
