import Foundation
import SutureFormats
import SutureModels
import SutureTensor

extension ImageSet {
    /// Which part of a data set is meant.
    public enum Split: String, Sendable, CaseIterable {
        case train, test
    }

    /// Reads one part of a set of images, whose form is told from the files at `url`:
    ///
    /// - a directory of MNIST or Fashion-MNIST: `train-images-idx3-ubyte` and so on, also with `.gz`
    /// - a directory of CIFAR-10 (`data_batch_1.bin`) or CIFAR-100 (`train.bin`), in the binary form
    /// - one file of CIFAR-10-C and the like, `fog.npy`, with `labels.npy` beside it; it is in no part of a set
    /// - a directory of Tiny-ImageNet (`wnids.txt`), whose `val` is its part for tests
    /// - a directory of PNG and JPEG files: `train/CLASS/*.png` and `test/CLASS/*.png`; or `CLASS/*.png`, which is in no part
    ///   either; or the pictures alone, all of one class
    ///
    /// Throws a `FormatError` for a file that is missing or cannot be read, and ``VisionError`` with code `badImages` for one
    /// that is not what it should be.
    ///
    /// - Parameters:
    ///   - url: a directory or a file.
    ///   - split: which part.
    ///   - fit: how pictures come to one size.
    ///   - severity: 1...5, a fifth of the images of a `.npy` file; nil for all of them.
    ///   - limit: at most so many images, evenly spread over the set; other pictures are not read.
    public init(
        contentsOf url: URL, split: Split, fit: ImageFit = .none, severity: Int? = nil, limit: Int? = nil
    ) throws {
        func has(_ names: String...) -> Bool {
            names.contains { FileManager.default.fileExists(atPath: url.appending(path: $0).path) }
        }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) else {
            throw FormatError(.missingFile, "there is no such file or directory", subject: url.relativePath)
        }
        let isArray = url.pathExtension == "npy"
        guard isArray || isDirectory.boolValue else {
            throw VisionError(
                .badImages, "this is no set of images", subject: url.relativePath,
                expected: "a directory, or a file whose name ends in .npy")
        }
        guard isArray || severity == nil else {
            throw VisionError(.badRequest, "only a .npy file has parts of one severity", subject: url.relativePath)
        }
        // What was prepared so before it was corrupted is as it should be.
        let fit = try Self.preparation(of: url) == fit ? .none : fit
        func fitting(_ set: ImageSet) throws -> ImageSet { try set.limited(to: limit).fitted(fit) }
        self =
            if isArray {
                try fitting(ImageSet(array: url, severity: severity))
            } else if has("labels.npy") {
                throw VisionError(
                    .badImages, "there are several sets of images here", subject: url.relativePath,
                    hint: "name one of its .npy files")
            } else if has("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte") {
                try fitting(ImageSet(mnist: url, split: split))
            } else if has("data_batch_1.bin", "test_batch.bin") {
                try fitting(ImageSet(cifar10: url, split: split))
            } else if has("train.bin", "test.bin") {
                try fitting(ImageSet(cifar100: url, split: split))
            } else if has("wnids.txt") {
                // Pictures are fitted one by one.
                try ImageSet(tinyImageNet: url, split: split, fit: fit, limit: limit)
            } else {
                try ImageSet(folders: url, split: split, fit: fit, limit: limit)
            }
    }

    /// Whether there are images for tests at `url`, apart from those for training.
    public static func hasTests(at url: URL) -> Bool {
        let names = [
            "t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "test_batch.bin", "test.bin",
            "val/val_annotations.txt", "test", "val"
        ]
        return url.pathExtension != "npy"
            && names.contains { FileManager.default.fileExists(atPath: url.appending(path: $0).path) }
    }

    /// The files that are read where a set is named: those beside an array have its labels and the names of its classes.
    public static func files(_ url: URL) -> [URL] {
        guard url.pathExtension == "npy" else { return [url] }
        return [url] + (["labels.npy"] + classFiles).map { url.deletingLastPathComponent().appending(path: $0) }
    }

    /// Where the names of the classes of arrays may be.
    static let classFiles = ["classes.txt", "batches.meta.txt", "fine_label_names.txt"]

    /// The same images in another size.
    public func fitted(_ fit: ImageFit) throws -> ImageSet {
        let (channels, height, width) = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        guard let side = fit.side else { return self }
        if (height, width) == (side, side), !fit.isCrop { return self }
        try Self.requireMemory(count, [channels, side, side], in: nil)
        let source: [UInt8] = try pixels.elements()
        let step = channels * height * width
        var result: [UInt8] = []
        var shape = pixels.shape
        for start in stride(from: 0, to: source.count, by: step) {
            let picture = try Picture(
                pixels: Array(source[start..<start + step]), channels: channels, height: height, width: width
            ).fitted(fit)
            if start == 0 { result.reserveCapacity(count * picture.pixels.count) }
            result += picture.pixels
            (shape[2], shape[3]) = (picture.height, picture.width)
        }
        return ImageSet(pixels: try Tensor(result, shape: shape), labels: labels, classes: classes, files: files)
    }

    /// Throws ``VisionError`` with code `tooLarge` for images that do not fit into memory: they are held twice while a set of
    /// them is made.
    static func requireMemory(_ count: Int, _ size: [Int], in name: String?) throws {
        let images = MemoryBudget.named(count, size)
        try MemoryBudget.require(
            2 * size.reduce(Double(count)) { $0 * Double($1) }, for: "hold",
            of: name.map { "\($0): \(images)" } ?? images, hint: MemoryBudget.resize + ", or take fewer of them")
    }

    /// Throws unless every label is one of `count` classes.
    static func check(_ labels: [Int], below count: Int, in name: String) throws {
        if let label = labels.first(where: { !(0..<count).contains($0) }) {
            throw VisionError(
                .badImages, "a label names no class", subject: name, expected: "0..<\(count)", found: "\(label)")
        }
    }

    /// The names of classes in a file, one on a line.
    ///
    /// Throws a `FormatError` for a file that cannot be read, and ``VisionError`` with code `badImages` for no text.
    public static func classNames(contentsOf url: URL) throws -> [String] {
        guard let names = try names(in: url), !names.isEmpty else {
            throw FormatError(.missingFile, "there is no file of names here", subject: url.relativePath)
        }
        return names
    }

    /// The lines of a file of names, or nil where there is none.
    static func names(in url: URL) throws -> [String]? {
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        guard let text = String(validating: file.text, as: UTF8.self) else {
            throw VisionError(.badImages, "this file is not UTF-8", subject: file.name)
        }
        return text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
    }
}

extension Picture {
    func fitted(_ fit: ImageFit) throws -> Picture {
        switch fit {
        case .none: self
        case .resized(let size): try resized(height: size, width: size)
        case .padded(let size): try padded(height: size, width: size)
        case .cropped(let shorter, let crop, let filter):
            try resized(shorter: shorter, filter: filter).cropped(height: crop, width: crop)
        }
    }
}
