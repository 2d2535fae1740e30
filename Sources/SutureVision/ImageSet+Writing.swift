import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// How images lie in files.
    public enum Layout: String, Sendable, CaseIterable {
        /// A PNG file for each image, in a folder of its class, as ImageNet-C.
        case folders
        /// Arrays of NumPy, as CIFAR-10-C: `[count, height, width, channels]` bytes, and `labels.npy` beside them.
        case arrays
    }

    /// Writes the set as a directory that reads back as the same set: `CLASS/NAME.png` (or a number), or `images.npy` with `labels.npy`;
    /// and `classes.txt`, which keeps the order of the classes.
    ///
    /// Throws a `FormatError` with code `alreadyExists` if something is there, and ``VisionError`` with code `badRequest` for
    /// classes whose names cannot be names of folders.
    public func write(to url: URL, as layout: Layout) throws {
        try AtomicDirectory.write(to: url) { directory in
            switch layout {
            case .folders:
                try makeFolders(in: directory)
                try inBatches { pixels, range in try writePictures(pixels, of: range, in: directory) }
            case .arrays:
                try writeArray(to: directory.appending(path: "images.npy"), copies: 1) { array in
                    try inBatches { pixels, _ in try array.append(rows: pixels) }
                }
                try writeLabels(in: directory, copies: 1)
            }
        }
    }

    /// Calls `body` with some images at a time, so that a large set is not held twice.
    func inBatches(_ body: (Tensor, Range<Int>) throws -> Void) throws {
        let batch = self.count(within: 1 << 29, atMost: 256)
        for start in stride(from: 0, to: count, by: batch) {
            let range = start..<min(start + batch, count)
            try body(try pixels.narrowed(0, range), range)
        }
    }

    /// How many images have at most so many bytes together, but one at least.
    func count(within bytes: Int, atMost limit: Int) -> Int {
        max(1, min(limit, bytes / max(1, pixels.shape[1...].reduce(1, *))))
    }
}

// MARK: - Folders

extension ImageSet {
    func makeFolders(in directory: URL) throws {
        let names = try folderNames()
        for name in names {
            try FileManager.default.makeDirectory(directory.appending(path: name))
        }
        try writeNames(names, in: directory)
    }

    /// Writes what became of the images of `range` into the folders of their classes.
    func writePictures(_ pixels: Tensor, of range: Range<Int>, in directory: URL) throws {
        let (names, pictures) = (try folderNames(), pictureNames())
        let bytes: [UInt8] = try pixels.elements()
        let step = bytes.count / range.count
        // Most of the time goes by in waiting for the disk.
        _ = try Parallel.map(Array(range)) { index in
            let start = (index - range.lowerBound) * step
            let picture = Picture(
                pixels: Array(bytes[start..<start + step]), channels: pixels.shape[1], height: pixels.shape[2],
                width: pixels.shape[3])
            let path = "\(names[labels[index]])/\(pictures[index]).png"
            try AtomicFile.write(picture.png(), to: directory.appending(path: path))
        }
    }

    /// What the images are called without an extension: as their files, unless two of a class were called the same then; or
    /// by their numbers.
    private func pictureNames() -> [String] {
        guard let files else {
            return labels.indices.map { index in
                let number = String(index)
                return String(repeating: "0", count: max(0, 5 - number.count)) + number
            }
        }
        for names in [files.map { URL(filePath: $0).deletingPathExtension().lastPathComponent }, files] {
            if Set(zip(labels, names).map { "\($0)/\($1)" }).count == count { return names }
        }
        return files.enumerated().map { "\($0)-\($1)" }
    }

    /// The names of the classes, with no slash in them.
    private func folderNames() throws -> [String] {
        let names = classes.map { $0.replacing("/", with: "-") }
        let bad = names.first { name in
            name.isEmpty || name.hasPrefix(".") || name.contains { $0.isNewline || $0 == "\0" }
                || name != name.trimmingCharacters(in: .whitespaces)
        }
        if let bad {
            throw VisionError(.badRequest, "the name of a class cannot be that of a folder", found: "\"\(bad)\"")
        }
        guard Set(names).count == names.count else {
            throw VisionError(.badRequest, "two classes have the same name", found: names.joined(separator: ", "))
        }
        return names
    }

    private func writeNames(_ names: [String], in directory: URL) throws {
        let lines = names.map { $0 + "\n" }.joined()
        try AtomicFile.write(Array(lines.utf8), to: directory.appending(path: "classes.txt"))
    }
}

// MARK: - Arrays

extension ImageSet {
    /// Writes `copies` times as many images as there are, which `body` appends.
    func writeArray(to url: URL, copies: Int, _ body: (AtomicFile) throws -> Void) throws {
        let (channels, height, width) = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
        let header = NPYHeader.bytes(type: "|u1", shape: [copies * count, height, width, channels])
        try AtomicFile.write(to: url) { file in
            try header.withUnsafeBytes { try file.append($0) }
            try body(file)
        }
    }

    /// Writes the labels, `copies` times over, and the names of the classes.
    func writeLabels(in directory: URL, copies: Int) throws {
        let header = NPYHeader.bytes(type: "<i8", shape: [copies * count])
        try AtomicFile.write(to: directory.appending(path: "labels.npy")) { file in
            try header.withUnsafeBytes { try file.append($0) }
            let numbers = labels.map { Int64($0).littleEndian }
            for _ in 0..<copies { try numbers.withUnsafeBytes { try file.append($0) } }
        }
        try writeNames(classes, in: directory)
    }
}

extension AtomicFile {
    /// Adds images `[count, channels, height, width]` in the order of `[count, height, width, channels]`.
    func append(rows pixels: Tensor) throws {
        let bytes: [UInt8] = try pixels.permuted([0, 2, 3, 1]).contiguous().elements()
        try bytes.withUnsafeBytes { try append($0) }
    }
}
