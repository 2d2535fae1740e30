import Foundation
import SutureModels
import SutureTensor

extension ImageSet {
    /// Reads one part of a set of images as a classifier takes them: prepared as its own images were, in its classes.
    ///
    /// Throws as ``init(contentsOf:split:fit:severity:limit:)``.
    public init(
        contentsOf url: URL, split: Split, for classifier: ClassifierArchitecture, limit: Int? = nil
    ) throws {
        self = try ImageSet(contentsOf: url, split: split, fit: classifier.fit ?? .none, limit: limit)
            .matched(to: classifier)
    }

    /// The same images as a classifier takes them: in colour where it sees colours, and with its classes where theirs are
    /// among them, by name or by ImageNet's numbers (`n01440764`).
    public func matched(to classifier: ClassifierArchitecture) throws -> ImageSet {
        let set = try inColours(of: classifier)
        guard classes.count < classifier.classes.count,
            let places = Self.places(of: classes, in: classifier.classes)
                ?? (classifier.classes == ImageNetClasses.names
                    ? Self.places(of: classes, in: ImageNetClasses.synsets) : nil)
        else { return set }
        return ImageSet(
            pixels: set.pixels, labels: labels.map { places[$0] }, classes: classifier.classes, files: files)
    }

    /// Whether nobody said what is on the images: they lie in one folder, whose name is none of the classifier's classes.
    public func isUnlabelled(for classifier: ClassifierArchitecture) -> Bool {
        classes.count == 1 && classifier.classes.count > 1 && !classifier.classes.contains(classes[0])
    }

    /// Grey images with three equal channels, for a classifier that sees colours.
    public func inColours(of classifier: ClassifierArchitecture) throws -> ImageSet {
        guard classifier.channels == 3, pixels.shape[1] == 1 else { return self }
        return ImageSet(
            pixels: try Tensor.concatenated([pixels, pixels, pixels], 1), labels: labels, classes: classes, files: files
        )
    }

    /// Where each of the names stands among others; nil if one does not.
    private static func places(of names: [String], in others: [String]) -> [Int]? {
        let numbers = Dictionary(zip(others, others.indices), uniquingKeysWith: { first, _ in first })
        let places = names.compactMap { numbers[$0] }
        return places.count == names.count ? places : nil
    }
}
