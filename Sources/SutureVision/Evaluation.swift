import SutureModels
import SutureTensor

/// How a classifier did on some images.
public struct Evaluation: Sendable, Codable, Equatable {
    /// For each class, how many of its images were taken for which class: `[true class][answer]`.
    public var confusion: [[Int]]
    /// The mean cross-entropy, in nats.
    public var loss: Double

    package init(confusion: [[Int]], loss: Double) { (self.confusion, self.loss) = (confusion, loss) }

    public var count: Int { confusion.joined().reduce(0, +) }
    public var right: Int { confusion.indices.reduce(0) { $0 + confusion[$1][$1] } }
    /// The share of right answers.
    public var accuracy: Double { count == 0 ? 0 : Double(right) / Double(count) }

    /// What holds the accuracy on all such images with 95% confidence (Wilson 1927).
    public var interval: (low: Double, high: Double) { Self.interval(of: accuracy, in: count) }

    /// The share of right answers, with that interval.
    public var estimate: Estimate { Estimate(share: accuracy, of: max(1, count)) }

    /// What holds a share that was found in so many cases, with 95% confidence (Wilson 1927).
    public static func interval(of share: Double, in count: Int) -> (low: Double, high: Double) {
        let estimate = Estimate(share: share, of: max(1, count))
        return (estimate.low, estimate.high)
    }

    /// What both evaluations, of different images, come to together.
    func adding(_ other: Evaluation) -> Evaluation {
        Evaluation(
            confusion: zip(confusion, other.confusion).map { zip($0, $1).map(+) },
            loss: (loss * Double(count) + other.loss * Double(other.count)) / Double(count + other.count))
    }
}

extension ImageClassifier {
    /// Tests the classifier on images; `answers` hears what it says of each, `progress` after each batch how many are done.
    /// Large images go through in smaller batches.
    ///
    /// Throws ``VisionError`` with code `mismatch` for images that do not fit the classifier, `tooLarge` for those that do
    /// not fit into memory.
    public func evaluate(
        _ images: ImageSet, batchSize: Int = 256, progress: ProgressHandler = { _, _, _ in },
        answers: ((Answer) -> Void)? = nil
    ) throws -> Evaluation {
        try check(images)
        try requireMemory(for: images, batch: min(Self.batch(of: images, atMost: batchSize), images.count))
        return try evaluated(images, batchSize: batchSize, progress: progress, answers: answers)
    }

    /// What the classifier says of images, whose labels are not looked at.
    ///
    /// Throws ``VisionError`` with code `tooLarge` for images that do not fit into memory, and a `ModelError` for those that
    /// the classifier does not take.
    public func answers(
        to images: ImageSet, batchSize: Int = 256, progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Answer] {
        try requireMemory(for: images, batch: min(Self.batch(of: images, atMost: batchSize), images.count))
        var all: [Answer] = []
        try score(images, batchSize: batchSize, progress: progress) { range, scores in
            all += try Self.answers(range, scores)
        }
        return all
    }

    /// How likely the classifier finds each of its classes, 0...1, for each of the images, whose labels are not looked at.
    ///
    /// Throws ``VisionError`` with code `tooLarge` for images that do not fit into memory, and a `ModelError` for those that
    /// the classifier does not take.
    public func probabilities(of images: ImageSet) throws -> [[Double]] {
        try requireMemory(for: images, batch: min(Self.batch(of: images, atMost: 256), images.count))
        var all: [[Double]] = []
        let silent: ProgressHandler = { _, _, _ in }
        try score(images, batchSize: 256, progress: silent) { _, scores in
            let (numbers, count) = (try scores.softmax().elements(as: Float.self), scores.shape[1])
            all += stride(from: 0, to: numbers.count, by: count).map { numbers[$0..<$0 + count].map(Double.init) }
        }
        return all
    }

    /// Tests the classifier where it was asked before the work whether there is memory for all of it: during the work, what
    /// is kept for reuse is not free.
    func evaluated(
        _ images: ImageSet, batchSize: Int = 256, progress: ProgressHandler = { _, _, _ in },
        answers: ((Answer) -> Void)? = nil
    ) throws -> Evaluation {
        try check(images)
        let classes = architecture.classes.count
        var result = Evaluation(
            confusion: Array(repeating: Array(repeating: 0, count: classes), count: classes), loss: 0)
        try score(images, batchSize: batchSize, progress: progress) { range, scores in
            let labels = Array(images.labels[range])
            result.loss += try scores.crossEntropy(Tensor(labels, device: device)).item() * Double(range.count)
            for (label, answer) in try zip(labels, scores.argmax().ints()) { result.confusion[label][answer] += 1 }
            if let answers { try Self.answers(range, scores).forEach(answers) }
        }
        result.loss /= Double(images.count)
        return result
    }

    /// Calls `body` with the scores `[batch, classes]` of some of the images at a time.
    private func score(
        _ images: ImageSet, batchSize: Int, progress: ProgressHandler, _ body: (Range<Int>, Tensor) throws -> Void
    ) throws {
        let batchSize = Self.batch(of: images, atMost: batchSize)
        for start in stride(from: 0, to: images.count, by: batchSize) {
            let range = start..<min(start + batchSize, images.count)
            try body(range, scores(of: images.pixels.narrowed(0, range)))
            progress("classifying images", range.upperBound, images.count)
        }
    }

    private static func answers(_ range: Range<Int>, _ scores: Tensor) throws -> [Answer] {
        let (numbers, probabilities) = try (
            scores.elements(as: Float.self), scores.softmax().elements(as: Float.self)
        )
        let count = scores.shape[1]
        return range.enumerated().map { row, image in
            let part = row * count..<(row + 1) * count
            return Answer(image: image, scores: numbers[part], probabilities: probabilities[part])
        }
    }

    /// Throws unless there are images, and each has a class that this classifier knows.
    func check(_ images: ImageSet) throws {
        guard images.count > 0, images.pixels.rank == 4, images.pixels.shape[0] == images.count,
            images.pixels.dtype == .uint8
        else {
            throw VisionError(
                .mismatch, "there is not one image for each label", expected: "\(images.count) images",
                found: "\(images.pixels.dtype.rawValue)\(images.pixels.shape)")
        }
        guard images.classes.count == architecture.classes.count else {
            throw VisionError(
                .mismatch, "the images have another number of classes than the classifier",
                expected: "\(architecture.classes.count)", found: "\(images.classes.count)")
        }
        // Other names are no mistake: a set may have numbers only.
        guard images.classes == architecture.classes || Set(images.classes) != Set(architecture.classes) else {
            throw VisionError(
                .mismatch, "the images have the classes of the classifier in another order",
                expected: architecture.classes.joined(separator: ", "), found: images.classes.joined(separator: ", "),
                hint: "classes.txt in a folder of images says their order")
        }
        if let label = images.labels.first(where: { !images.classes.indices.contains($0) }) {
            throw VisionError(
                .mismatch, "a label names no class", expected: "0..<\(images.classes.count)", found: "\(label)")
        }
    }
}
