import CImages
import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// Reads `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` and so on, also packed by gzip. Classes have numbers only.
    init(mnist directory: URL, split: Split) throws {
        let prefix = split == .train ? "train" : "t10k"
        let images = try IDXFile(directory.appending(path: "\(prefix)-images-idx3-ubyte"), rank: 3)
        let labels = try IDXFile(directory.appending(path: "\(prefix)-labels-idx1-ubyte"), rank: 1)
        guard images.shape[0] == labels.shape[0] else {
            throw VisionError(
                .badImages, "there is not one label for each image", subject: directory.relativePath,
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
        let (bytes, name) = try Self.contents(of: url)
        func refuse(_ problem: String, expected: String, found: String) -> VisionError {
            VisionError(.badImages, problem, subject: name, expected: expected, found: found)
        }
        guard bytes.count >= 4 + 4 * rank, bytes[..<4].elementsEqual([0, 0, 8, UInt8(rank)]) else {
            throw refuse(
                "this is no IDX file of bytes", expected: "a header 0 0 8 \(rank)", found: "\(Array(bytes.prefix(4)))")
        }
        shape = bytes.withUnsafeBytes { bytes in
            (1...rank).map { Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self).bigEndian) }
        }
        let count = shape.reduce(1.0) { $0 * Double($1) }
        guard count == Double(bytes.count - 4 - 4 * rank) else {
            throw refuse(
                "the file does not have the size that its header says", expected: "\(count) bytes of data",
                found: "\(bytes.count - 4 - 4 * rank)")
        }
        elements = Array(bytes[(4 + 4 * rank)...])
    }

    /// What is in a file, or in one of the same name with `.gz` if only that is there.
    private static func contents(of url: URL) throws -> (bytes: [UInt8], name: String) {
        let packed = url.appendingPathExtension("gz")
        let isPacked =
            !FileManager.default.fileExists(atPath: url.path) && FileManager.default.fileExists(atPath: packed.path)
        let file = try MappedFile(isPacked ? packed : url)
        return try withExtendedLifetime(file) {
            (isPacked ? try unpacked(file.bytes, name: file.name) : Array(file.bytes), file.name)
        }
    }

    /// The contents of a gzip file, whose last four bytes say how many there are.
    private static func unpacked(_ bytes: UnsafeRawBufferPointer, name: String) throws -> [UInt8] {
        func refuse(_ found: String) -> VisionError {
            VisionError(.badImages, "this gzip file cannot be unpacked", subject: name, found: found)
        }
        guard bytes.count >= 18 else { throw refuse("\(bytes.count) bytes") }
        let size = Int(bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self).littleEndian)
        // No byte of a packed file stands for more than 1032: memory is taken for what can be there only.
        guard size / 1032 <= bytes.count else { throw refuse("\(size) bytes in \(bytes.count)") }
        var (filled, isWhole): (Int, Int32) = (0, 0)
        var reason: String?
        let result = [UInt8](unsafeUninitializedCapacity: size) { target, count in
            reason = bytes.withMemoryRebound(to: UInt8.self) { bytes in
                withReason { reason in
                    ci_unpack(bytes.baseAddress, bytes.count, target.baseAddress, size, &filled, &isWhole, reason)
                }
            }
            count = filled
        }
        if let reason { throw refuse(reason) }
        guard isWhole != 0, filled == size else { throw refuse("an end after \(filled) of \(size) bytes") }
        return result
    }
}
