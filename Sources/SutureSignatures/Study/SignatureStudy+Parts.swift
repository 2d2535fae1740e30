import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureVision

extension SignatureStudy {
    // MARK: Where weights differ

    func layerDifferences(_ task: TaskModels) throws -> [StudyResult.Layer] {
        let start = try ImageClassifier.load(task.pretrained)
        let standard = try ImageClassifier.load(task.standard)
        let robust = try corruptions.compactMap { try task.robust[$0].map { try ImageClassifier.load($0) } }
        let names = start.architecture.tensors.filter { $0.kind == .convolution || $0.kind == .linear }.map(\.name)
        return try names.map { name in
            func weights(_ classifier: ImageClassifier) throws -> [Double] {
                try classifier.tensors[name]?.to(.float64).elements() ?? []
            }
            let (p, s) = (try weights(start), try weights(standard))
            let r = try robust.map(weights)
            let (size, step) = (norm(p), subtract(s, p))
            return StudyResult.Layer(
                layer: String(name.dropLast(".weight".count)), standard: norm(step) / size,
                robust: r.map { norm(subtract($0, p)) / size }, difference: r.map { norm(subtract($0, s)) / size },
                cosine: r.map { dot(subtract($0, p), step) / (norm(subtract($0, p)) * norm(step)) })
        }
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    private func norm(_ a: [Double]) -> Double { dot(a, a).squareRoot() }
    private func subtract(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 - $1 } }

    // MARK: Likeness

    func measureLikeness(
        _ task: TaskModels, _ images: StudyImages, into result: inout StudyResult, _ progress: ProgressHandler
    ) throws {
        let patches = try corruptions.map { try task.signature($0, batchNorm: result.policy) }
        result.likeness = try Self.likeness(corruptions.map(\.description), patches)
        for (index, patch) in patches.enumerated() {
            progress("each signature under each corruption", index, patches.count)
            result.crossed.append(
                try TaskModels.accuracy(
                    of: task.standard, with: [AppliedPatch(patch)], on: images, under: corruptions
                ).corrupted)
        }
    }

    static func likeness(_ names: [String], _ patches: [Patch]) throws -> StudyResult.Likeness {
        StudyResult.Likeness(
            names: names, cosines: try patches.map { a in try patches.map { b in try PatchLikeness(a, b).cosine } })
    }

    // MARK: Scales and bits

    private static let scales = [-1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2]

    /// All layers, with the projection and without.
    func scaleCurves(
        _ task: TaskModels, _ images: StudyImages, _ result: StudyResult, _ progress: ProgressHandler
    ) throws -> [StudyResult.Curve] {
        try corruptions.enumerated().flatMap { index, corruption in
            try [true, false].map { isProjected in
                progress("scales", 2 * index + (isProjected ? 0 : 1), 2 * corruptions.count)
                let patch = try task.signature(corruption, batchNorm: result.policy, isProjected: isProjected)
                return StudyResult.Curve(
                    corruption: corruption.description, variant: isProjected ? "signature" : "plain difference",
                    points: try Self.scales.compactMap { scale in
                        try task.accuracy(with: patch, scale: scale, on: images, under: corruption).map {
                            .init(value: scale, accuracy: $0)
                        }
                    })
            }
        }
    }

    /// The chosen layers and scale in fewer and fewer bits.
    func bitCurves(
        _ task: TaskModels, _ images: StudyImages, _ result: StudyResult, _ progress: ProgressHandler
    ) throws -> [StudyResult.Curve] {
        try corruptions.enumerated().compactMap { index, corruption in
            progress("bits", index, corruptions.count)
            guard let outcome = result.outcome(corruption) else { return nil }
            return StudyResult.Curve(
                corruption: corruption.description, variant: "linear, for each channel",
                points: try (1...16).compactMap { bits in
                    let patch = try task.signature(
                        corruption, layers: .first(outcome.layers), batchNorm: result.policy, bits: bits)
                    let bytes = try TaskModels.bytes(of: patch)
                    return try task.accuracy(with: patch, scale: outcome.scale, on: images, under: corruption).map {
                        .init(value: Double(bits), accuracy: $0, bytes: bytes)
                    }
                })
        }
    }

    // MARK: Composition

    /// The first two signatures, the first three, and so on to all, each as it was chosen, added up or averaged.
    func compositions(
        _ task: TaskModels, _ images: StudyImages, _ result: StudyResult, _ progress: ProgressHandler
    ) throws -> [StudyResult.Composition] {
        let applied = try corruptions.compactMap { corruption in
            try result.outcome(corruption).map { outcome in
                AppliedPatch(
                    try task.signature(corruption, layers: .first(outcome.layers), batchNorm: result.policy),
                    scale: outcome.scale)
            }
        }
        guard applied.count == corruptions.count, applied.count > 1 else { return [] }
        let alone = try zip(corruptions, applied).map { corruption, patch in
            try task.accuracy(with: patch.patch, scale: patch.scale, on: images, under: corruption)?.mean ?? 0
        }
        return try (2...applied.count).flatMap { count in
            progress("compositions", count - 2, applied.count - 1)
            let members = Array(corruptions.prefix(count))
            let standard = try TaskModels.accuracy(of: task.standard, on: images, under: members)
            return try [("sum", 1), ("mean", 1 / Double(count))].map { mode, factor in
                let patches = applied.prefix(count).map { AppliedPatch($0.patch, scale: $0.scale * factor) }
                let accuracy = try TaskModels.ifPossible {
                    try TaskModels.accuracy(of: task.standard, with: patches, on: images, under: members)
                }
                return StudyResult.Composition(
                    corruptions: members.map(\.description), mode: mode, accuracy: accuracy, standard: standard,
                    alone: Array(alone.prefix(count)))
            }
        }
    }
}
