import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// Which part of a data set is meant.
    public enum Split: String, Sendable, CaseIterable {
        case train, test
    }

    /// Reads one part of MNIST or Fashion-MNIST from a directory: `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`
    /// and so on.
    ///
    /// Throws a `FormatError` for a file that is missing, and ``VisionError`` with code `badImages` for one that is not
    /// what it should be.
    public init(contentsOf url: URL, split: Split) throws {
        let prefix = split == .train ? "train" : "t10k"
        let images = try IDXFile(url.appending(path: "\(prefix)-images-idx3-ubyte"), rank: 3)
        let labels = try IDXFile(url.appending(path: "\(prefix)-labels-idx1-ubyte"), rank: 1)
        guard images.shape[0] == labels.shape[0] else {
            throw VisionError(
                .badImages, "there is not one label for each image", subject: url.relativePath,
                expected: "\(images.shape[0])", found: "\(labels.shape[0])")
        }
        let shape = [images.shape[0], 1, images.shape[1], images.shape[2]]
        self.init(
            pixels: try Tensor(images.elements, shape: shape), labels: labels.elements.map(Int.init),
            classes: (0...Int(labels.elements.max() ?? 0)).map(String.init))
    }
}

/// Bytes with a shape, as LeCun's MNIST has them: two zeros, the type (8), the rank, the sizes (big endian), the bytes.
private struct IDXFile {
    let shape: [Int]
    let elements: [UInt8]

    init(_ url: URL, rank: Int) throws {
        let file = try MappedFile(url)
        let bytes = file.bytes
        func refuse(_ problem: String, expected: String, found: String) -> VisionError {
            VisionError(.badImages, problem, subject: file.name, expected: expected, found: found)
        }
        guard bytes.count >= 4 + 4 * rank, bytes[..<4].elementsEqual([0, 0, 8, UInt8(rank)]) else {
            throw refuse(
                "this is no IDX file of bytes", expected: "a header 0 0 8 \(rank)", found: "\(Array(bytes.prefix(4)))")
        }
        shape = (1...rank).map { Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self).bigEndian) }
        let count = shape.reduce(1.0) { $0 * Double($1) }
        guard count == Double(bytes.count - 4 - 4 * rank) else {
            throw refuse(
                "the file does not have the size that its header says", expected: "\(Int(count)) bytes of data",
                found: "\(bytes.count - 4 - 4 * rank)")
        }
        elements = Array(bytes[(4 + 4 * rank)...])
    }
}
