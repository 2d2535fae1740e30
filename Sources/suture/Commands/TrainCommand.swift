import ArgumentParser
import Foundation
import SutureKit

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train", abstract: "Train a classifier of images.",
        discussion: """
            The network is a named one with fresh weights, or --init takes one that is there; its last layer begins anew \
            if the classes of DATA are others. The same data, options and number of threads give the same weights, also \
            over an interruption: what --save-at and --save-every write, --resume goes on with.

            suture train fashion-mnist -o standard --architecture resnet18 --width 0.25 --crop 2 --flip
            suture train fashion-mnist -o robust --init standard --corrupt fog:3,gaussian_noise:3 --epochs 4
            """)

    @Argument(help: "A data set with images for training.")
    var data: String

    @OptionGroup var result: ModelOutputOptions

    @OptionGroup var size: ImageSizeOptions

    @Option(help: "The network: \(ClassifierArchitecture.names.joined(separator: ", ")).")
    var architecture: String?

    @Option(help: "A factor for all numbers of channels.")
    var width: Double?

    @Option(help: "What it is laid out for: cifar (images of about 32x32) or imagenet (224x224).")
    var form: ClassifierArchitecture.Form?

    @Option(name: .customLong("init"), help: "Begin with the weights of this classifier.")
    var initial: String?

    @Option(help: "Go on with a training that was interrupted; all but the output is as it was begun.")
    var resume: String?

    @OptionGroup var options: TrainingOptions

    @Option(help: "Set a share of the images aside, and test on them after every epoch.")
    var heldOut = 0.0

    @Option(help: "Also write what is there after these steps, to OUTPUT-step-N: 100,500.")
    var saveAt: CommaList<Int>?

    @Option(help: "Also write what is there after every so many epochs, to OUTPUT-step-N.")
    var saveEvery: Int?

    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard initial == nil || (architecture == nil && width == nil && form == nil) else {
            throw ValidationError("--init brings its own --architecture, --width and --form.")
        }
        guard resume == nil || (initial == nil && architecture == nil && width == nil && form == nil) else {
            throw ValidationError("--resume goes on with its own network.")
        }
        if let architecture, !ClassifierArchitecture.names.contains(architecture) {
            throw ValidationError("--architecture is one of \(ClassifierArchitecture.names.joined(separator: ", ")).")
        }
        if let width, !(width > 0 && width <= 16) { throw ValidationError("--width is above 0 and at most 16.") }
        guard heldOut >= 0, heldOut < 1 else { throw ValidationError("--held-out is 0 or more and below 1.") }
        if let saveEvery, saveEvery < 1 { throw ValidationError("--save-every is 1 or more.") }
        guard saveAt?.elements.allSatisfy({ $0 >= 0 }) ?? true else {
            throw ValidationError("--save-at is of 0 or more.")
        }
    }

    func run() throws {
        try result.check(reading: inputs)
        Runtime.keepFreedMemory()
        let fit = try size.fit(for: (resume ?? initial).flatMap { try Self.architecture($0).fit })
        let read = try ImageSet(contentsOf: URL(filePath: data), split: .train, fit: fit)
        let images = try (resume ?? initial).map { try read.inColours(of: Self.architecture($0)) } ?? read
        let begun = try resume.map { try Training.plan(of: URL(filePath: $0)) }
        let parts = try images.parts(settingAside: heldOut, seed: begun?.seed ?? options.seed)
        let training =
            try resume.map { try Training(resuming: URL(filePath: $0), on: parts.kept) }
            ?? Training(start(parts.kept).preparing(fit), on: parts.kept, plan: options.plan())

        try checkSteps(of: training)

        let progress = printing.progress
        defer { progress.finish() }
        let first = training.step
        let clock = ContinuousClock()
        let start = clock.now
        if resume == nil { try save(training) }
        try training.run(heldOut: heldOut > 0 ? parts.aside : nil) { training in
            progress.report(update(training))
            try save(training)
            return true
        }
        let seconds = (clock.now - start) / .seconds(1)
        progress.finish()
        try training.write(to: result.url, overwriting: result.force)

        let classifier = try training.classifier()
        let report = try Report(
            training, seconds: seconds, images: (training.step - first) * training.batchSize,
            parameters: classifier.parameterCount, test: test(classifier, fit),
            title: "Training of \(result.url.lastPathComponent)")
        printing.show(report, quietly: result.output)
    }

    /// How the new classifier does on images for tests, where there are any; the model is written by then, so that images
    /// that cannot be used are told and no more.
    private func test(_ classifier: ImageClassifier, _ fit: ImageFit) -> Evaluation? {
        let url = URL(filePath: data)
        guard ImageSet.hasTests(at: url) else { return nil }
        do {
            let images = try ImageSet(contentsOf: url, split: .test, fit: fit)
            return try classifier.evaluate(images.matched(to: classifier.architecture))
        } catch {
            note("the test images were not used: \(error)")
            return nil
        }
    }

    private static func architecture(_ path: String) throws -> ClassifierArchitecture {
        let config = try Checkpoint(URL(filePath: path)).config
        return try ClassifierArchitecture(config: config.value, source: config.path)
    }

    /// The network that training begins with.
    private func start(_ images: ImageSet) throws -> ImageClassifier {
        if let initial {
            let classifier = try ImageClassifier.load(URL(filePath: initial))
            return classifier.architecture.classes == images.classes
                ? classifier : try classifier.fittingClasses(images.classes, seed: options.seed)
        }
        var network = try ClassifierArchitecture.named(
            architecture ?? "cnn", form: form ?? .cifar, width: width ?? 1, channels: images.pixels.shape[1],
            classes: images.classes)
        (network.mean, network.deviation) = try images.channelStatistics()
        return try ImageClassifier.initial(network, seed: options.seed)
    }

    private func update(_ training: Training) -> ProgressReporter.Update {
        // After the last step of an epoch the next one has not begun.
        let epoch = (training.step - 1) / training.stepsPerEpoch + 1
        return .init(
            "training", completed: training.step * training.batchSize,
            total: training.totalSteps * training.batchSize, unit: "images",
            detail: String(
                format: "epoch %d/%d, loss %.3f, %.1f%% right", epoch, training.plan.epochs, training.loss,
                100 * training.accuracy))
    }

    private var inputs: [String?] { ImageOptions.files(data) + [initial, resume] }

    /// Whether what is there after a step is written, too.
    private func isSaved(_ step: Int, of training: Training) -> Bool {
        let (epochs, rest) = step.quotientAndRemainder(dividingBy: training.stepsPerEpoch)
        let isEpoch = saveEvery.map { epochs > 0 && rest == 0 && epochs % $0 == 0 }
        return (saveAt?.elements.contains(step) == true || isEpoch == true) && step < training.totalSteps
    }

    private func url(ofStep step: Int) -> URL { URL(filePath: "\(result.output)-step-\(step)") }

    /// Refuses, before the training begins, places of steps that would be in the way, too.
    private func checkSteps(of training: Training) throws {
        let begin = resume == nil ? 0 : training.step + 1
        let steps = (begin..<max(begin, training.totalSteps)).filter { isSaved($0, of: training) }
        let outputs = try steps.map { step in
            try destination(url(ofStep: step).relativePath, .folder(.model()), force: result.force)
        }
        try FilePlan(
            reading: inputs, writing: outputs + [destination(result.output, .folder(.model()), force: result.force)]
        ).check()
    }

    private func save(_ training: Training) throws {
        guard isSaved(training.step, of: training) else { return }
        let url = url(ofStep: training.step)
        try training.write(to: url, overwriting: result.force)
        Interruption.keep("\(url.relativePath) is kept, and --resume \(url.relativePath) goes on from there")
        if printing.format == .human { note("wrote \(url.relativePath)") }
    }
}

extension ClassifierArchitecture.Form: ExpressibleByArgument {}
