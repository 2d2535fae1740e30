import SutureModels
import SutureTensor

extension ImageSet {
    /// The images at these places, in this order.
    public func subset(_ indices: [Int]) throws -> ImageSet {
        ImageSet(
            pixels: try pixels.indexSelected(0, at: indices), labels: indices.map { labels[$0] }, classes: classes,
            files: files.map { files in indices.map { files[$0] } })
    }

    /// One picture as a classifier takes it, prepared as its own images were unless something else is asked for; its label,
    /// the first class, says nothing.
    ///
    /// Throws ``VisionError`` with code `badRequest` for a picture that cannot be prepared so.
    public init(_ picture: Picture, for classifier: ClassifierArchitecture, fit: ImageFit? = nil) throws {
        let fitted = try picture.fitted(fit ?? classifier.fit ?? .none)
        self = try ImageSet(
            pixels: Tensor(fitted.pixels, shape: [1, fitted.channels, fitted.height, fitted.width]), labels: [0],
            classes: classifier.classes
        ).inColours(of: classifier)
    }

    /// The same images with other pixels, of the same shape.
    public func replacing(pixels: Tensor) -> ImageSet {
        ImageSet(pixels: pixels, labels: labels, classes: classes, files: files)
    }

    /// Whose amounts corruptions of images of this size have, unless something else is asked for.
    public var profile: Corruption.Profile {
        let side = max(pixels.shape[2], pixels.shape[3])
        return side <= 48 ? .cifar : side <= 128 ? .tiny : .imagenet
    }

    /// One of the images.
    public func picture(_ index: Int) throws -> Picture {
        Picture(
            pixels: try pixels.narrowed(0, index..<index + 1).elements(), channels: pixels.shape[1],
            height: pixels.shape[2], width: pixels.shape[3])
    }

    /// What an image is called: the name of its file, or its number.
    public func name(of index: Int) -> String { files?[index] ?? String(index) }

    /// At most so many images, evenly spread over the set, so that each class has its share.
    public func limited(to limit: Int?) throws -> ImageSet {
        guard let limit, limit < count else { return self }
        return try subset(Self.spread(limit, over: count))
    }

    /// `limit` places among `count`, evenly spread; all of them where there is no limit or there are fewer.
    static func spread(_ limit: Int?, over count: Int) -> [Int] {
        guard let limit, limit < count else { return Array(0..<count) }
        return (0..<limit).map { $0 * count / limit }
    }

    /// Two parts: a share that is set aside by chance, and the rest, each in the order of the whole. Equal seeds give
    /// equal parts.
    public func parts(settingAside share: Double, seed: UInt64) throws -> (kept: ImageSet, aside: ImageSet) {
        var random = SeededGenerator(seed: seed)
        let order = random.shuffled(Array(0..<count))
        let wanted = Int((Double(count) * share).rounded())
        // No copy of what may be large.
        if wanted == 0 { return (self, try subset([])) }
        return (try subset(order[wanted...].sorted()), try subset(order[..<wanted].sorted()))
    }
}
