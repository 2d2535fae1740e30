import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureSignatures
import SutureTensor
import SutureVision

/// A classifier and its images: says what it sees on a picture, alone and with patches. The classifier never changes.
actor PictureDesk {
    private let executor = EngineExecutor("suture.pictures")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let base: ImageClassifier
    nonisolated let images: ImageSet?
    private let checkpoint: Checkpoint
    private let fit: ImageFit?
    /// The patched classifiers that were asked for last.
    private var made: [(key: [Key], classifier: ImageClassifier)] = []

    private struct Key: Equatable {
        var patch: String
        var scale: Double
    }

    /// How many patched classifiers are kept.
    private static let room = 4

    /// - Parameters:
    ///   - checkpoint: the classifier's files.
    ///   - base: the classifier.
    ///   - images: those that may be chosen, as the classifier takes them.
    ///   - fit: how pictures that are sent are prepared; nil for how the classifier's own images were.
    init(_ checkpoint: Checkpoint, _ base: ImageClassifier, _ images: ImageSet?, fit: ImageFit?) {
        (self.checkpoint, self.base, self.images, self.fit) = (checkpoint, base, images, fit)
    }

    /// The images that may be chosen.
    nonisolated var listed: [JSON] {
        guard let images else { return [] }
        return (0..<images.count).map { ["name": JSON(images.name(of: $0)), "label": label(of: $0)] }
    }

    /// What is on an image of the set, as the classifier calls it; null where nobody said.
    private nonisolated func label(of place: Int) -> JSON {
        guard let images, !images.isUnlabelled(for: base.architecture) else { return .null }
        let (number, own) = (images.labels[place], base.architecture.classes)
        // A set may have numbers only.
        let isNumbered = Set(own).isDisjoint(with: images.classes) && own.count == images.classes.count
        return JSON(isNumbered ? own[number] : images.classes[number])
    }

    /// How likely each class is, on the picture as it is and corrupted, before the patches and with them.
    func answer(_ request: PictureRequest, _ patches: [AppliedPatch]) throws -> JSON {
        let patched = try classifier(patches)
        let (image, label) = try picture(request.source)
        var views: JSONObject = ["label": label, "clean": try view(image, patched)]
        if let (kind, severity) = request.corruption {
            let corruption = Corruption(kind, severity: severity, profile: image.profile)
            let pixels = try corruption(image.pixels, seed: request.seed)
            views["corrupted"] = try view(image.replacing(pixels: pixels), patched)
        } else {
            views["corrupted"] = .null
        }
        return .object(views)
    }

    private func picture(_ source: PictureRequest.Source) throws -> (ImageSet, label: JSON) {
        switch source {
        case .file(let bytes):
            let picture = try bytes.withUnsafeBytes { try Picture(decoding: $0, name: "picture") }
            return (try ImageSet(picture, for: base.architecture, fit: fit), .null)
        case .set(let place):
            guard let images else { throw ServerError(.notFound, "the server has no set of images") }
            return (try images.subset([place]), label(of: place))
        }
    }

    private func view(_ image: ImageSet, _ patched: ImageClassifier) throws -> JSON {
        let before = try base.probabilities(of: image)[0]
        let after = patched === base ? before : try patched.probabilities(of: image)[0]
        return [
            "png": JSON(Data(try image.picture(0).png()).base64EncodedString()),
            "before": .array(before.map { JSON($0) }), "after": .array(after.map { JSON($0) })
        ]
    }

    /// The classifier with patches, as `suture classify --patch` loads it.
    private func classifier(_ patches: [AppliedPatch]) throws -> ImageClassifier {
        let patches = patches.filter { $0.scale != 0 }
        guard !patches.isEmpty else { return base }
        // The weights do not depend on the order.
        let key = patches.map { Key(patch: $0.patch.id, scale: $0.scale) }.sorted { $0.patch < $1.patch }
        if let place = made.firstIndex(where: { $0.key == key }) { return made[place].classifier }
        let classifier = try ImageClassifier.load(checkpoint, device: base.device, patches: patches)
        made.append((key, classifier))
        if made.count > Self.room { made.removeFirst() }
        return classifier
    }
}
