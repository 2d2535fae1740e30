import SutureFormats
import SutureModels
import SutureTensor

/// A training of a classifier, step by step: stochastic gradient descent on the cross-entropy.
///
/// The same start, images, plan and number of threads give the same weights to the last bit, also when the training was
/// interrupted and resumed from its files: every random choice of a step follows from the plan's random seed and the number
/// of the step alone.
public final class Training {
    /// Gives the pixels of some images in another state, `[batch, channels, height, width]` (uint8) as they came; equal
    /// seeds give equal pixels.
    public typealias Change = (_ pixels: Tensor, _ seed: UInt64) throws -> Tensor

    public let plan: TrainingPlan
    public let images: ImageSet
    /// What was reached after each epoch so far.
    public private(set) var history: [EpochRecord] = []
    /// How many steps are done.
    public private(set) var step = 0

    let architecture: ClassifierArchitecture
    let optimizer: Optimizer
    /// The names of the optimizer's parameters.
    let names: [String]
    /// The running averages of the batch norms.
    private(set) var averages: [String: Tensor]
    private(set) var sums = Sums()
    private let corruption: Change
    private let device: Device
    private var order: (epoch: Int, indices: [Int]) = (-1, [])

    /// The losses and right answers of the epoch so far.
    struct Sums: Codable {
        var loss = 0.0
        var right = 0
        var images = 0
    }

    /// What an epoch reached: means over its images as they were seen, and, where others were set aside, over those.
    public struct EpochRecord: Sendable, Codable, Equatable {
        public var epoch: Int
        public var loss: Double
        public var accuracy: Double
        public var heldOutAccuracy: Double?
    }

    /// - Parameters:
    ///   - start: where the weights begin.
    ///   - images: what it is trained on.
    ///   - plan: how long, in what steps, with which changes of the images.
    ///   - corruption: what is done to the plan's share of each batch; nil takes the plan's corruptions.
    /// - Throws: ``VisionError`` for a plan that makes no sense, or images that do not fit the classifier.
    public init(
        _ start: ImageClassifier, on images: ImageSet, plan: TrainingPlan, corruption: Change? = nil
    ) throws {
        try plan.check()
        try start.check(images)
        guard plan.corruptedShare == 0 || corruption != nil || !plan.corruptions.isEmpty else {
            throw VisionError(.badRequest, "a share of the images is to be corrupted, but not by what")
        }
        self.plan = plan
        self.images = images
        self.corruption =
            corruption ?? { [kinds = plan.corruptions] in try Corruption.mixed(kinds, on: $0, seed: $1) }
        try Self.requireMemory(start.architecture, images, batch: min(plan.batchSize, images.count))
        let changed = [min(plan.batchSize, images.count)] + images.pixels.shape.dropFirst()
        for corruption in plan.corruptions where plan.corruptedShare > 0 {
            try corruption.requireMemory(for: changed, threads: Runtime.threads)
        }
        architecture = start.architecture
        device = start.device
        let roles = architecture.tensors
        names = roles.filter(\.isParameter).map(\.name)
        averages = start.tensors.filter { name, _ in roles.contains { $0.name == name && !$0.isParameter } }
        optimizer = try Optimizer(
            names.compactMap { start.tensors[$0] },
            .sgd(rate: plan.rate, momentum: plan.momentum, decay: plan.decay))
    }

    /// Images in a batch.
    public var batchSize: Int { min(plan.batchSize, images.count) }
    /// Steps in an epoch; what does not fill a batch is left for another order.
    public var stepsPerEpoch: Int { images.count / batchSize }
    public var totalSteps: Int { plan.epochs * stepsPerEpoch }
    /// The epoch that the next step belongs to.
    public var epoch: Int { step / stepsPerEpoch }
    public var isDone: Bool { step >= totalSteps }
    /// The mean loss of the epoch so far, and the share of right answers.
    public var loss: Double { sums.loss / Double(max(1, sums.images)) }
    public var accuracy: Double { Double(sums.right) / Double(max(1, sums.images)) }

    /// The classifier as it is now.
    public func classifier() throws -> ImageClassifier {
        var tensors = averages
        for (name, parameter) in zip(names, optimizer.parameters) { tensors[name] = try parameter.detached().copied() }
        return try ImageClassifier(architecture, tensors: tensors, device: device)
    }

    /// Takes one step.
    ///
    /// Throws ``VisionError`` with code `diverged` when the loss is no longer a finite number.
    public func advance() throws {
        precondition(!isDone, "this training is done")
        if step % stepsPerEpoch == 0 { sums = Sums() }
        let (pixels, labels) = try batch()
        try optimizer.setRate(plan.rate(step: step, of: totalSteps))
        let random = try RandomSource(seed: seed(.dropout, step))
        var (moved, right): ([String: Tensor], Tensor?) = ([:], nil)
        let loss = try optimizer.step { parameters in
            let tensors = averages.merging(zip(names, parameters)) { $1 }
            let output = try architecture.trainingScores(of: pixels, with: tensors, random: random)
            moved = output.averages
            right = try (output.scores.detached().argmax() .== labels).to(.int64).sum()
            return try output.scores.crossEntropy(labels)
        }
        guard loss.isFinite else {
            throw VisionError(
                .diverged, "the loss is no longer a finite number", subject: "step \(step)", found: "\(loss)",
                hint: "choose a smaller rate")
        }
        averages.merge(moved) { $1 }
        sums.loss += loss * Double(labels.count)
        sums.right += Int(try right?.item() ?? 0)
        sums.images += labels.count
        step += 1
        if step % stepsPerEpoch == 0 {
            history.append(EpochRecord(epoch: step / stepsPerEpoch, loss: self.loss, accuracy: accuracy))
        }
    }

    /// Trains to the end, or until `body` says that it is enough; it is called after every step.
    ///
    /// - Parameters:
    ///   - heldOut: images on which the classifier is tested after every epoch.
    ///   - body: what is told of each step.
    /// - Returns: the classifier as it is then.
    @discardableResult
    public func run(heldOut: ImageSet? = nil, _ body: (Training) throws -> Bool = { _ in true }) throws
        -> ImageClassifier
    {
        if let heldOut, !isDone {
            let batch = ImageClassifier.batch(of: heldOut, atMost: 256)
            try classifier().requireMemory(for: heldOut, batch: min(batch, heldOut.count))
        }
        while !isDone {
            try advance()
            if let heldOut, step % stepsPerEpoch == 0 {
                history[history.count - 1].heldOutAccuracy = try classifier().evaluated(heldOut).accuracy
            }
            if try !body(self) { break }
        }
        return try classifier()
    }

    /// Goes to where another run stood.
    func resume(step: Int, history: [EpochRecord], sums: Sums) {
        (self.step, self.history, self.sums) = (step, history, sums)
    }
}

// MARK: - What a step sees

extension Training {
    private enum Stream: UInt64 {
        case order = 1
        case corruption, augmentation, dropout
    }

    /// A seed of its own for each use and step.
    private func seed(_ stream: Stream, _ index: Int) -> UInt64 {
        var plan = SeededGenerator(seed: plan.seed)
        var own = SeededGenerator(seed: plan.next() ^ (stream.rawValue << 56 | UInt64(index)))
        return own.next()
    }

    /// Pixels and labels of the next step, on the device.
    private func batch() throws -> (pixels: Tensor, labels: Tensor) {
        if order.epoch != epoch {
            order = (epoch, try RandomSource(seed: seed(.order, epoch)).permutation(images.count))
        }
        let start = step % stepsPerEpoch * batchSize
        let indices = Array(order.indices[start..<start + batchSize])
        var pixels = try images.pixels.indexSelected(0, at: indices)
        if plan.corruptedShare > 0 { pixels = try corrupted(pixels) }
        pixels = try plan.augmentation(pixels, seed: seed(.augmentation, step))
        return (try pixels.to(device), try Tensor(indices.map { images.labels[$0] }, device: device))
    }

    private func corrupted(_ pixels: Tensor) throws -> Tensor {
        var random = SeededGenerator(seed: seed(.corruption, step))
        // As many as the share asks for, the rest by chance, so that shares below one image count too.
        let wanted = plan.corruptedShare * Double(batchSize)
        let chance = Double(random.below(1 << 30)) / Double(1 << 30)
        let chosen = random.shuffled(Array(0..<batchSize)).prefix(Int(wanted + chance))
        if chosen.isEmpty { return pixels }
        let places = Array(chosen)
        let changed = try corruption(pixels.indexSelected(0, at: places), random.next())
        guard changed.shape == [places.count] + pixels.shape.dropFirst(), changed.dtype == .uint8 else {
            throw VisionError(
                .badRequest, "a corruption gave other than pixels of the same shape",
                expected: "\(places.count) images", found: "\(changed.dtype.rawValue)\(changed.shape)")
        }
        return try pixels.replacing(0, at: Tensor(places), with: changed)
    }
}
