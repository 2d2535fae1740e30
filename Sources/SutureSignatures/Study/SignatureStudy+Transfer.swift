import SutureFormats
import SuturePatches
import SutureVision

// Signatures on models that they were not made for.
extension SignatureStudy {
    /// From the models of the lower half of the classes to those of the upper half, all layers at scale 1.
    func measureTransfer(
        _ halves: [TaskModels], _ images: StudyImages, into result: inout StudyResult, _ progress: ProgressHandler
    ) throws {
        let upper = halves[1]
        let upperImages = try StudyImages("upper half", of: images) { try $0.half(.upper) }
        let corruptions = corruptions.filter { upper.robust[$0] != nil }
        let patches = try halves.map { half in
            try corruptions.map { corruption in
                try TaskModels.ifPossible { try half.signature(corruption, batchNorm: result.policy) }
            }
        }
        let names = ImageSet.Half.allCases.flatMap { half in corruptions.map { "\($0), \(half.rawValue)" } }
        let made = zip(names, patches.joined()).compactMap { name, patch in patch.map { (name, $0) } }
        result.halves = try Self.likeness(made.map(\.0), made.map(\.1))
        for (index, corruption) in corruptions.enumerated() {
            progress("transfer", index, corruptions.count)
            func accuracy(_ patch: Patch?) throws -> StudyResult.Accuracy? {
                guard let patch else { return nil }
                return try TaskModels.ifPossible {
                    try TaskModels.accuracy(
                        of: upper.standard, with: [AppliedPatch(patch)], on: upperImages, under: [corruption])
                }
            }
            let moved = try patches[0][index]?.transferred(to: upper.standard)
            result.transfers.append(
                .init(
                    corruption: corruption.description,
                    standard: try TaskModels.accuracy(of: upper.standard, on: upperImages, under: [corruption]),
                    foreign: try accuracy(moved), own: try accuracy(patches[1][index]),
                    robust: try upper.robust[corruption].map {
                        try TaskModels.accuracy(of: $0, on: upperImages, under: [corruption])
                    }))
        }
    }

    /// The signatures of the standard model, as they were chosen, on the same model after more training.
    func reapplied(
        _ task: TaskModels, to continued: Checkpoint, _ images: StudyImages, _ result: StudyResult,
        _ progress: ProgressHandler
    ) throws -> [StudyResult.Transfer] {
        try corruptions.enumerated().compactMap { index, corruption in
            progress("after more training", index, corruptions.count)
            guard let outcome = result.outcome(corruption) else { return nil }
            let patch = try task.signature(corruption, layers: .first(outcome.layers), batchNorm: result.policy)
            let moved = AppliedPatch(try patch.transferred(to: continued), scale: outcome.scale)
            return StudyResult.Transfer(
                corruption: corruption.description,
                standard: try TaskModels.accuracy(of: continued, on: images, under: [corruption]),
                foreign: try TaskModels.accuracy(of: continued, with: [moved], on: images, under: [corruption]),
                own: try task.accuracy(with: patch, scale: outcome.scale, on: images, under: corruption))
        }
    }
}
