import SutureTensor

/// Images with their classes: what classifiers are trained on, tested on and corrupted by.
public struct ImageSet: Sendable {
    /// `[count, channels, height, width]`, uint8: one channel (grey) or three (red, green, blue), 0...255.
    public let pixels: Tensor
    /// The class of each image, 0..<`classes.count`.
    public let labels: [Int]
    /// The names of the classes, or their numbers where the files give none.
    public let classes: [String]

    /// The name of each image's file, without its folders; nil where a file holds many images.
    public let files: [String]?

    /// Images `[count, channels, height, width]` with the number of each one's class, and their files if they have some.
    public init(pixels: Tensor, labels: [Int], classes: [String], files: [String]? = nil) {
        self.pixels = pixels
        self.labels = labels
        self.classes = classes
        self.files = files
    }

    public var count: Int { labels.count }
}
