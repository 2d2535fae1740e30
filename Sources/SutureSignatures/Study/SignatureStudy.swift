import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureVision

/// The experiments of Robust Weight Signatures (arXiv 2302.12480) on one network and one set of images.
///
/// One start P is trained for a few epochs on clean images. From there the standard model S goes on with clean images,
/// and for each corruption a robust model R with corrupted ones only: as many epochs, in the same order, with the same
/// steps. Whatever is chosen (layers, scale, bits) is chosen on images set aside from the training set; what is reported
/// of it is measured on the test set.
public struct SignatureStudy: Sendable {
    /// Told what is being done, how much of it is done, and of how much.

    /// What may be left out. The gap that each signature regains is always measured.
    public enum Part: String, Sendable, CaseIterable {
        /// Where weights differ.
        case layers
        /// Cosines between signatures, and each signature under each corruption.
        case likeness
        /// Scales, also negative ones, with the projection and without.
        case scales
        case bits
        /// Several signatures at once.
        case composition
        /// From one half of the classes to the other.
        case transfer
        /// On a standard model that was trained on.
        case continued
    }

    public var architecture = "vgg11"
    /// A factor for all numbers of channels.
    public var width = 0.25
    public var corruptions: [Corruption] = Self.corruptions
    public var pretrainingEpochs = 2
    public var epochs = 2
    /// The part of a batch that is corrupted in robust training, 0...1; all of it in the paper.
    public var corruptedShare = 1.0
    /// So many images are set aside of the training set.
    public var validationImages = 2500
    /// All but the main table is measured on the first so many images of the test set.
    public var sampleImages = 4000
    /// Between the halves of the classes only the first so many corruptions are transferred: they need models of their own.
    public var transferredCorruptions = 3
    public var parts = Set(Part.allCases)
    public var seed: UInt64 = 1

    /// The default settings.
    public init() {}

    /// Six, of all four groups, at the severities at which Fashion-MNIST suffers.
    public static let corruptions = [
        Corruption(.gaussianNoise, severity: 5, profile: .tiny), Corruption(.defocusBlur, severity: 5, profile: .tiny),
        Corruption(.fog, severity: 3), Corruption(.contrast, severity: 3),
        Corruption(.impulseNoise, severity: 5, profile: .tiny), Corruption(.pixelate, severity: 5, profile: .imagenet)
    ]

    /// Trains what is not in `directory` yet, and measures.
    ///
    /// - Parameters:
    ///   - train: images for training and for what is chosen.
    ///   - test: images for what is reported.
    ///   - directory: where the models are kept; a run that was interrupted goes on from there.
    ///   - progress: is told what is being done.
    /// - Throws: ``SignatureError`` for settings that make no sense; what training and reading throw.
    public func run(
        train: ImageSet, test: ImageSet, models directory: URL, progress: @escaping ProgressHandler = { _, _, _ in }
    ) throws -> StudyResult {
        try check(train, test)
        try FileManager.default.makeDirectory(directory)
        let (kept, aside) = try train.parts(
            settingAside: Double(validationImages) / Double(train.count), seed: seed)
        let models = StudyModels(directory: directory, progress: progress)
        let task = try self.task("", models, on: kept) { try start(on: kept) }
        let halves = try parts.contains(.transfer) ? halves(of: kept, models, from: task.pretrained) : nil
        let continued =
            try parts.contains(.continued)
            ? models.trained("continued", on: kept, plan(pretrainingEpochs, rate: 0.005)) {
                try ImageClassifier.load(task.standard)
            } : nil

        let classifier = try ImageClassifier.load(task.standard)
        var result = StudyResult(
            setting: .init(
                architecture: architecture, width: width, parameters: classifier.parameterCount,
                modelBytes: try TaskModels.bytes(of: task.standard), corruptions: corruptions.map(\.description),
                trainImages: kept.count, validationImages: aside.count, testImages: test.count,
                sampleImages: min(sampleImages, test.count), pretrainingEpochs: pretrainingEpochs, epochs: epochs,
                corruptedShare: corruptedShare, seed: seed))
        let memory = try StudyMemory(in: directory)
        let validation = try StudyImages("validation", aside, under: corruptions, seed: seed, memory)
        let testing = try StudyImages("test", test, under: corruptions, seed: seed &+ 1, memory)
        let sample = try StudyImages("the first \(sampleImages)", of: testing) { images in
            try images.subset(Array(0..<min(sampleImages, images.count)))
        }
        let layerCount = classifier.architecture.tensors.count { $0.kind == .convolution }

        try chooseBatchNorm(task, validation, into: &result, progress)
        try measureOutcomes(task, validation, testing, layerCount: layerCount, into: &result, progress)
        if parts.contains(.layers) { result.layers = try layerDifferences(task) }
        if parts.contains(.likeness) { try measureLikeness(task, sample, into: &result, progress) }
        if parts.contains(.scales) { result.scales = try scaleCurves(task, validation, result, progress) }
        if parts.contains(.bits) { result.bits = try bitCurves(task, sample, result, progress) }
        if parts.contains(.composition) { result.compositions = try compositions(task, sample, result, progress) }
        if let halves { try measureTransfer(halves, sample, into: &result, progress) }
        if let continued { result.continued = try reapplied(task, to: continued, sample, result, progress) }
        try memory.save()
        return result
    }

    private func check(_ train: ImageSet, _ test: ImageSet) throws {
        func refuse(_ problem: String, _ expected: String, _ found: Any) -> SignatureError {
            SignatureError(.badRequest, problem, expected: expected, found: "\(found)")
        }
        guard !corruptions.isEmpty, Set(corruptions).count == corruptions.count else {
            throw refuse("a study needs different corruptions", "one or more", corruptions.count)
        }
        guard (1..<train.count).contains(validationImages) else {
            throw refuse("so many images cannot be set aside", "1..<\(train.count)", validationImages)
        }
        guard sampleImages > 0 else { throw refuse("there are no images to measure on", "1 or more", sampleImages) }
        guard train.classes.count == test.classes.count, train.classes.count > 3 else {
            throw refuse("the study needs two halves of classes", "4 or more classes", train.classes.count)
        }
    }

    /// A plan for this study's trainings.
    private func plan(_ epochs: Int, rate: Double, schedule: TrainingPlan.Schedule = .cosine) -> TrainingPlan {
        var plan = TrainingPlan()
        (plan.epochs, plan.rate, plan.schedule, plan.seed) = (epochs, rate, schedule, seed)
        return plan
    }

    private func start(on images: ImageSet) throws -> ImageClassifier {
        var network = try ClassifierArchitecture.named(
            architecture, width: width, channels: images.pixels.shape[1], classes: images.classes)
        (network.mean, network.deviation) = try images.channelStatistics()
        return try ImageClassifier.initial(network, seed: seed)
    }

    /// The three kinds of models of a task; the pretrained one is trained from `start` unless it is given.
    private func task(
        _ prefix: String, _ models: StudyModels, on images: ImageSet, pretrained: Checkpoint? = nil,
        corruptions: [Corruption]? = nil, from start: () throws -> ImageClassifier
    ) throws -> TaskModels {
        let pretrained =
            try pretrained
            ?? models.trained(
                prefix + "pretrained", on: images, plan(pretrainingEpochs, rate: 0.02, schedule: .constant), from: start
            )
        let begin = { try ImageClassifier.load(pretrained).fitting(images, seed: seed) }
        let clean = plan(epochs, rate: 0.02)
        let standard = try models.trained(prefix + "standard", on: images, clean, from: begin)
        var robust: [Corruption: Checkpoint] = [:]
        for corruption in corruptions ?? self.corruptions {
            var plan = clean
            (plan.corruptions, plan.corruptedShare) = ([corruption], corruptedShare)
            let name = prefix + "robust-" + corruption.description.replacing(":", with: "-")
            robust[corruption] = try models.trained(name, on: images, plan, from: begin)
        }
        return TaskModels(pretrained: pretrained, standard: standard, robust: robust)
    }

    /// The models of the lower and the upper half of the classes, for the first so many corruptions.
    private func halves(of images: ImageSet, _ models: StudyModels, from pretrained: Checkpoint) throws -> [TaskModels]
    {
        try ImageSet.Half.allCases.map { half in
            try task(
                "\(half.rawValue)-", models, on: images.half(half), pretrained: pretrained,
                corruptions: Array(corruptions.prefix(transferredCorruptions))
            ) { try ImageClassifier.load(pretrained) }
        }
    }
}

extension ImageClassifier {
    fileprivate func fitting(_ images: ImageSet, seed: UInt64) throws -> ImageClassifier {
        architecture.classes == images.classes ? self : try fittingClasses(images.classes, seed: seed)
    }
}

extension ImageSet {
    /// Half of the classes, by their numbers.
    enum Half: String, CaseIterable {
        case lower, upper
    }

    /// The images of one half of the classes.
    func half(_ half: Half) throws -> ImageSet {
        let middle = classes.count / 2
        let range = half == .lower ? 0..<middle : middle..<classes.count
        let part = try subset(labels.indices.filter { range.contains(labels[$0]) })
        return ImageSet(
            pixels: part.pixels, labels: part.labels.map { $0 - range.lowerBound }, classes: Array(classes[range]))
    }
}
