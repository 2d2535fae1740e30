import SutureFormats
import SuturePatches
import SutureVision

// What each signature regains, and what is chosen for it.
extension SignatureStudy {
    /// A choice may cost so much of the clean accuracy on the validation images; a little less than the two points that
    /// are allowed, because they are few.
    private static let allowedLoss = 0.015
    private static let scalesTried = [0.25, 0.5, 0.75, 1, 1.25]
    /// How far from the best of those, for each number of layers, others are tried, and then from the best of these.
    private static let refinements = [0.125, 0.0625]
    /// A file should be so much smaller than the model.
    private static let compaction = 13.0

    /// Finds the policy for batch norms with the best mean over the corruptions, with all layers at scale 1.
    func chooseBatchNorm(
        _ task: TaskModels, _ images: StudyImages, into result: inout StudyResult, _ progress: ProgressHandler
    ) throws {
        let hasNorms = task.standard.tensors.contains { $0.name.hasSuffix(".running_var") }
        guard hasNorms else { return }
        let policies = SignatureExtraction.BatchNorm.allCases
        for (index, policy) in policies.enumerated() {
            progress("batch norms", index, policies.count)
            for corruption in corruptions {
                // Where there is no such signature, that is a result, too.
                let accuracy = try TaskModels.ifPossible {
                    let patch = AppliedPatch(try task.signature(corruption, batchNorm: policy))
                    return try TaskModels.accuracy(of: task.standard, with: [patch], on: images, under: [corruption])
                }
                guard let accuracy else { continue }
                result.batchNorms.append(
                    .init(
                        corruption: corruption.description, variant: policy.rawValue,
                        points: [.init(value: 1, accuracy: accuracy)]))
            }
        }
        func total(_ policy: SignatureExtraction.BatchNorm) -> Double {
            result.batchNorms.filter { $0.variant == policy.rawValue }.joined().reduce(0) { $0 + $1.mean + $1.clean }
        }
        result.batchNorm = (policies.max { total($0) < total($1) } ?? .keep).rawValue
    }

    /// A signature's layers and scale, as they did on the validation images.
    struct Choice {
        var layers: Int
        var scale: Double
        var accuracy: StudyResult.Accuracy
    }

    func measureOutcomes(
        _ task: TaskModels, _ validation: StudyImages, _ test: StudyImages, layerCount: Int,
        into result: inout StudyResult, _ progress: ProgressHandler
    ) throws {
        for (index, corruption) in corruptions.enumerated() {
            progress("choosing layers and scale", index, corruptions.count)
            let norm = result.policy
            let before = try TaskModels.accuracy(of: task.standard, on: validation, under: [corruption])
            let choices = try (1...layerCount).flatMap { layers in
                let patch = try task.signature(corruption, layers: .first(layers), batchNorm: norm)
                func tried(_ scales: [Double]) throws -> [Choice] {
                    try scales.compactMap { scale in
                        try task.accuracy(with: patch, scale: scale, on: validation, under: corruption).map {
                            Choice(layers: layers, scale: scale, accuracy: $0)
                        }
                    }
                }
                var choices = try tried(Self.scalesTried)
                for step in Self.refinements {
                    guard let best = Self.best(of: choices, before) else { break }
                    choices += try tried([best.scale - step, best.scale + step])
                }
                return choices
            }
            for scale in Self.scalesTried {
                result.layersKept.append(
                    .init(
                        corruption: corruption.description, variant: "\(scale)",
                        points: choices.filter { $0.scale == scale }.map {
                            .init(value: Double($0.layers), accuracy: $0.accuracy)
                        }))
            }
            guard let best = Self.best(of: choices, before) else { continue }
            let standard = try TaskModels.accuracy(of: task.standard, on: test, under: [corruption])
            let robust = try task.robust[corruption].map {
                try TaskModels.accuracy(of: $0, on: test, under: [corruption])
            }
            let patch = try task.signature(corruption, layers: .first(best.layers), batchNorm: norm)
            let patched = try task.accuracy(with: patch, scale: best.scale, on: test, under: corruption)
            result.outcomes.append(
                .init(
                    corruption: corruption.description, standard: standard, robust: robust ?? standard,
                    patched: patched ?? standard,
                    layers: best.layers, scale: best.scale,
                    stored: try store(
                        corruption, task, choices, before, validation, test, modelBytes: result.setting.modelBytes,
                        norm)))
        }
    }

    /// The best under the corruption of those that keep the clean accuracy; where none does, the one that loses least.
    private static func best(of choices: [Choice], _ before: StudyResult.Accuracy) -> Choice? {
        let kept = choices.filter { before.clean - $0.accuracy.clean <= allowedLoss }
        return kept.max { $0.accuracy.mean < $1.accuracy.mean } ?? choices.max { $0.accuracy.clean < $1.accuracy.clean }
    }

    /// Of the files that are small enough, the one that does best: more layers in fewer bits, or fewer layers in more.
    private func store(
        _ corruption: Corruption, _ task: TaskModels, _ choices: [Choice], _ before: StudyResult.Accuracy,
        _ validation: StudyImages, _ test: StudyImages, modelBytes: Int, _ norm: SignatureExtraction.BatchNorm
    ) throws -> StudyResult.Stored {
        var candidates: [(choice: Choice, bits: Int, bytes: Int, patch: Patch)] = []
        for (layers, choices) in Dictionary(grouping: choices, by: \.layers).sorted(by: { $0.key < $1.key }) {
            guard var choice = Self.best(of: choices, before) else { continue }
            for bits in [8, 6, 5, 4, 3, 2] {
                let patch = try task.signature(corruption, layers: .first(layers), batchNorm: norm, bits: bits)
                let bytes = try TaskModels.bytes(of: patch)
                guard Double(modelBytes) >= Self.compaction * Double(bytes) || (layers == 1 && bits == 2) else {
                    continue
                }
                let accuracy = try task.accuracy(with: patch, scale: choice.scale, on: validation, under: corruption)
                choice.accuracy = accuracy ?? before
                candidates.append((choice, bits, bytes, patch))
                break
            }
        }
        let best = Self.best(of: candidates.map(\.choice), before)
        guard let chosen = candidates.first(where: { $0.choice.layers == best?.layers }) else {
            throw SignatureError(.badRequest, "no signature is small enough", subject: corruption.description)
        }
        let full = try task.signature(corruption, layers: .first(chosen.choice.layers), batchNorm: norm)
        func tested(_ patch: Patch) throws -> StudyResult.Accuracy {
            try TaskModels.accuracy(
                of: task.standard, with: [AppliedPatch(patch, scale: chosen.choice.scale)], on: test,
                under: [corruption])
        }
        return StudyResult.Stored(
            layers: chosen.choice.layers, bits: chosen.bits, bytes: chosen.bytes, scale: chosen.choice.scale,
            full: try tested(full), accuracy: try tested(chosen.patch))
    }
}

extension StudyResult {
    /// The policy for batch norms that all but the comparison of policies goes by.
    var policy: SignatureExtraction.BatchNorm { SignatureExtraction.BatchNorm(rawValue: batchNorm) ?? .keep }

    /// What was chosen for a corruption.
    func outcome(_ corruption: Corruption) -> SignatureOutcome? {
        outcomes.first { $0.corruption == corruption.description }
    }
}

extension [StudyResult.Curve] {
    fileprivate func joined() -> [StudyResult.Accuracy] { flatMap { $0.points.map(\.accuracy) } }
}
