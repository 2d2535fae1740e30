import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureRepair

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
        let (model, bytes) = try base.applying(patches, of: checkpoint)
        made.append((key, model, bytes))
        while made.count > 1, made.reduce(0, { $0 + $1.bytes }) > room { made.removeFirst() }
        return model
    }

    /// The token that comes behind a text, the patches that have to go for another to come, by their places, and that other
    /// one; no places where the model itself says this one.
    func culprits(
        _ patches: [AppliedPatch], behind prompt: [Int]
    ) throws -> (token: Int, places: [Int]?, instead: Int?) {
        func next(_ kept: [Int]) throws -> Int {
            try model(kept.map { patches[$0] }).run([prompt]).logits.top(1).indices.ints()[0]
        }
        let all = Array(patches.indices)
        let token = try next(all)
        let places = try Culprits.find(among: patches.count) { try $0 != all && next($0) != token }
        return (token, places, try places.map { gone in try next(all.filter { !gone.contains($0) }) })
    }
}
