import SutureFormats
import SutureModels

/// What a classifier said of a set of images.
public struct Classification: Sendable {
    public let images: ImageSet
    /// The names of the classifier's classes.
    public let classes: [String]
    /// One for each image.
    public let answers: [Answer]
    /// How many of the answers are right; nil where nobody said what is on the images.
    public let evaluation: Evaluation?

    /// The wrong answers, the surest first.
    public var mistakes: [Answer] {
        guard evaluation != nil else { return [] }
        return answers.filter { $0.best.label != images.labels[$0.image] }
            .sorted { ($1.best.probability, $0.image) < ($0.best.probability, $1.image) }
    }
}

extension ImageClassifier {
    /// Classifies images, and counts the right answers where they have labels: pictures that lie in one folder, whose name
    /// is no class, have none.
    ///
    /// Throws ``VisionError`` with code `mismatch` for images that do not fit the classifier, `tooLarge` for those that do
    /// not fit into memory.
    public func classify(_ images: ImageSet, progress: ProgressHandler = { _, _, _ in }) throws -> Classification {
        let classes = architecture.classes
        guard !images.isUnlabelled(for: architecture) else {
            return Classification(
                images: images, classes: classes, answers: try answers(to: images, progress: progress), evaluation: nil)
        }
        var answers: [Answer] = []
        let evaluation = try evaluate(images, progress: progress) { answers.append($0) }
        return Classification(images: images, classes: classes, answers: answers, evaluation: evaluation)
    }
}
