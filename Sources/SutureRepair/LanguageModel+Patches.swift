import SutureFormats
import SutureModels
import SuturePatches

extension LanguageModel {
    /// This model, of a checkpoint without patches, with some: what `--patch` makes of the same files. It shares all other
    /// weights; `bytes` is what the changed ones take.
    ///
    /// Throws `PatchError` for patches of another base, or that exclude one another.
    public func applying(
        _ patches: [AppliedPatch], of checkpoint: Checkpoint
    ) throws -> (model: LanguageModel, bytes: Int) {
        let patched = try PatchedCheckpoint(checkpoint).adding(patches)
        let names = Set(patched.touched.keys.map(\.string))
        let model = try replacing(names, of: checkpoint) { try patched.data(for: $0, current: $1) }
        return (model, names.compactMap { checkpoint[$0] }.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) })
    }
}
