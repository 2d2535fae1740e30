import SutureModels
import SutureTensor

/// How a classifier does on clean images and on the same images corrupted.
public struct Robustness: Sendable, Codable, Equatable {
    /// What it did under one corruption.
    public struct Row: Sendable, Codable, Equatable {
        public var corruption: Corruption
        public var evaluation: Evaluation
        /// Whether each image was told right.
        public var isRight: [Bool] = []

        package init(corruption: Corruption, evaluation: Evaluation, isRight: [Bool] = []) {
            (self.corruption, self.evaluation, self.isRight) = (corruption, evaluation, isRight)
        }
    }

    public var clean: Evaluation
    public var corrupted: [Row]
    /// Whether each clean image was told right.
    public var isRight: [Bool] = []

    package init(clean: Evaluation, corrupted: [Row], isRight: [Bool] = []) {
        (self.clean, self.corrupted, self.isRight) = (clean, corrupted, isRight)
    }

    /// The mean share of wrong answers over all corruptions and severities.
    public var meanCorruptionError: Double {
        corrupted.reduce(0) { $0 + 1 - $1.evaluation.accuracy } / Double(max(1, corrupted.count))
    }

    /// mCE (Hendrycks & Dietterich 2019): for each kind of corruption the errors of all severities, divided by those of
    /// another classifier, and of that the mean over the kinds; nil where the other makes no error at all.
    public func meanCorruptionError(relativeTo baseline: Robustness) -> Double? {
        let (own, others) = (errors, baseline.errors)
        let ratios = own.compactMap { kind, error -> Double? in
            guard let other = others[kind], other > 0 else { return nil }
            return error / other
        }
        guard !ratios.isEmpty, ratios.count == own.count else { return nil }
        return ratios.reduce(0, +) / Double(ratios.count)
    }

    private var errors: [Corruption.Kind: Double] {
        corrupted.reduce(into: [:]) { $0[$1.corruption.kind, default: 0] += 1 - $1.evaluation.accuracy }
    }
}

extension Robustness {
    /// Tests classifiers on images, clean and corrupted; all see the same corrupted images.
    ///
    /// - Parameters:
    ///   - classifiers: what is tested.
    ///   - images: clean images.
    ///   - corruptions: what is done to them.
    ///   - seed: what corruptions draw from; equal seeds give equal images.
    ///   - progress: hears how many images, clean or corrupted, have been seen by all.
    /// - Returns: one result for each classifier.
    /// - Throws: ``VisionError`` for images that do not fit a classifier or cannot be corrupted.
    public static func measure(
        _ classifiers: [ImageClassifier], on images: ImageSet, under corruptions: [Corruption], seed: UInt64 = 1,
        progress: ProgressHandler = { _, _, _ in }
    ) throws -> [Robustness] {
        for classifier in classifiers {
            try classifier.check(images)
            try classifier.requireMemory(
                for: images, batch: min(ImageClassifier.batch(of: images, atMost: 256), images.count), isRepeated: true)
        }
        let blockSize = images.count(within: 1 << 29, atMost: Self.blockSize)
        let block = [min(blockSize, images.count)] + images.pixels.shape.dropFirst()
        for corruption in corruptions { try corruption.requireMemory(for: block, threads: Runtime.threads) }
        var completed = 0
        func evaluate(_ corruption: Corruption?) throws -> [(evaluation: Evaluation, isRight: [Bool])] {
            var sums = [Evaluation?](repeating: nil, count: classifiers.count)
            var isRight = [[Bool]](repeating: [], count: classifiers.count)
            // Blocks, so that a large set is never there twice; always of one size for images of one size, because each
            // has a seed of its own.
            for start in stride(from: 0, to: images.count, by: blockSize) {
                let block = try images.block(start..<min(start + blockSize, images.count), corruption, seed: seed)
                for (index, classifier) in classifiers.enumerated() {
                    let evaluation = try classifier.evaluated(
                        block, answers: { isRight[index].append($0.best.label == block.labels[$0.image]) })
                    sums[index] = sums[index]?.adding(evaluation) ?? evaluation
                }
                completed += block.count
                progress("testing images", completed, images.count * (corruptions.count + 1))
            }
            return zip(sums, isRight).compactMap { sum, isRight in sum.map { ($0, isRight) } }
        }
        let clean = try evaluate(nil)
        let corrupted = try corruptions.map { ($0, try evaluate($0)) }
        return classifiers.indices.map { index in
            Robustness(
                clean: clean[index].evaluation,
                corrupted: corrupted.map { corruption, results in
                    Row(
                        corruption: corruption, evaluation: results[index].evaluation,
                        isRight: results[index].isRight)
                }, isRight: clean[index].isRight)
        }
    }

    private static let blockSize = 2048
}

extension ImageSet {
    /// Some of the images, corrupted by a seed of their place.
    fileprivate func block(_ range: Range<Int>, _ corruption: Corruption?, seed: UInt64) throws -> ImageSet {
        let clean = try pixels.narrowed(0, range)
        var random = SeededGenerator(seed: seed &+ UInt64(range.lowerBound))
        return ImageSet(
            pixels: try corruption?.applied(to: clean, seed: random.next()) ?? clean,
            labels: Array(labels[range]), classes: classes)
    }
}
