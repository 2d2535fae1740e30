import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// Reads a file of CIFAR-10-C and the like: `[count, height, width, 3]` bytes, and `labels.npy` beside it. Where there are
    /// five severities, their images lie one after the other.
    ///
    /// The names of the classes are in `classes.txt`, `batches.meta.txt` or `fine_label_names.txt`, or are numbers.
    init(array url: URL, severity: Int?) throws {
        let directory = url.deletingLastPathComponent()
        let images = try NPYFile(url, of: .integers)
        let labels = try NPYFile(directory.appending(path: "labels.npy"), of: .integers)
        // Grey images may have no dimension for it.
        let shape = images.shape.count == 3 ? images.shape + [1] : images.shape
        guard shape.count == 4, [1, 3].contains(shape[3]), shape.allSatisfy({ $0 > 0 }) else {
            throw VisionError(
                .badImages, "this is no array of images", subject: images.name,
                expected: "a shape of count, height, width, 3", found: "\(images.shape)")
        }
        guard labels.shape == [shape[0]] else {
            throw VisionError(
                .badImages, "there is not one label for each image", subject: labels.name, expected: "[\(shape[0])]",
                found: "\(labels.shape)")
        }
        var range = 0..<shape[0]
        if let severity {
            guard 1...5 ~= severity, shape[0] % 5 == 0 else {
                throw VisionError(
                    .badRequest, "there is no such severity", subject: images.name, expected: "1...5",
                    found: "\(severity) of \(shape[0]) images")
            }
            range = (severity - 1) * shape[0] / 5..<severity * shape[0] / 5
        }
        let numbers = labels.integers()
        let names = try Self.classFiles.lazy
            .compactMap { try Self.names(in: directory.appending(path: $0)) }.first
        let classes = names ?? (0...max(0, min(numbers.max() ?? 0, 1 << 16))).map(String.init)
        try Self.check(numbers, below: classes.count, in: labels.name)
        self.init(
            pixels: try images.pixels().reshaped(shape).narrowed(0, range).permuted([0, 3, 1, 2]).contiguous(),
            labels: Array(numbers[range]), classes: classes)
    }
}

extension NPYFile {
    /// The bytes as a tensor, which keeps the file mapped.
    fileprivate func pixels() throws -> Tensor {
        guard type == "|u1", !data.isEmpty else {
            throw VisionError(.badImages, "these are no pixels", subject: name, expected: "|u1", found: type)
        }
        return try Tensor(borrowing: data, shape: shape, dtype: .uint8, owner: file)
    }
}
