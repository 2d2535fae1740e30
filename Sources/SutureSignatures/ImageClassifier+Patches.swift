import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor

extension ImageClassifier {
    /// Loads a classifier with patches on it; the files stay as they are.
    ///
    /// Throws as `load(_:device:replacing:)`, and `PatchError` for patches of another base, or that exclude one another.
    public static func load(
        _ checkpoint: Checkpoint, device: Device = .cpu, patches: [AppliedPatch]
    ) throws -> ImageClassifier {
        let patched = try patches.isEmpty ? nil : PatchedCheckpoint(checkpoint).adding(patches)
        return try load(checkpoint, device: device) { try patched?.data(for: $0, current: $1) }
    }
}
