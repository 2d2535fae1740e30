import Foundation
import SutureFormats
import SutureModels
import SutureTensor

extension ImageSet {
    /// Reads `train/CLASS/*.png` and `test/CLASS/*.png` (or `val`), or where there are no such parts `CLASS/*.png`, or all the
    /// pictures of one folder as one class. Classes are in the order of `classes.txt`, if that is there, or of their names.
    init(folders url: URL, split: Split, fit: ImageFit, limit: Int? = nil) throws {
        let top = try Folder(url)
        let parts = top.folders.filter { ["train", "test", "val"].contains($0) }
        guard !parts.isEmpty else {
            if top.folders.isEmpty, !top.pictures.isEmpty {
                let files = top.pictures.map { url.appending(path: $0) }
                let name = url.standardizedFileURL.lastPathComponent
                try self.init(files: files, labels: files.map { _ in 0 }, classes: [name], fit: fit, limit: limit)
                return
            }
            try self.init(
                classes: try Self.names(in: url.appending(path: "classes.txt")) ?? top.folders, of: top, fit, limit)
            return
        }
        // A class without pictures for tests is a class all the same.
        let names = try parts.flatMap { try Folder(url.appending(path: $0)).folders }
        let classes = try Self.names(in: url.appending(path: "classes.txt")) ?? Folder.ordered(Array(Set(names)))
        let wanted = split == .train ? "train" : parts.contains("test") ? "test" : "val"
        try self.init(classes: classes, of: try Folder(url.appending(path: wanted)), fit, limit)
    }

    private init(classes: [String], of folder: Folder, _ fit: ImageFit, _ limit: Int?) throws {
        var (files, labels): ([URL], [Int]) = ([], [])
        if let stray = folder.pictures.first {
            throw VisionError(
                .badImages, "a picture lies beside the folders of classes", subject: folder.path(stray),
                hint: "put it into one of them")
        }
        for name in folder.folders {
            guard let label = classes.firstIndex(of: name) else {
                throw VisionError(.badImages, "a folder is none of the classes", subject: folder.path(name))
            }
            let pictures = try Folder(folder.url.appending(path: name))
            if let other = pictures.folders.first ?? pictures.others.first {
                throw VisionError(
                    .badImages, "this is no picture", subject: pictures.path(other), expected: "PNG and JPEG files only"
                )
            }
            files += pictures.pictures.map { pictures.url.appending(path: $0) }
            labels += pictures.pictures.map { _ in label }
        }
        guard !files.isEmpty else {
            throw VisionError(
                .badImages, "there are no images here", subject: folder.url.relativePath,
                expected: "files of MNIST, CIFAR or Tiny-ImageNet, or folders of PNG and JPEG files")
        }
        try self.init(files: files, labels: labels, classes: classes, fit: fit, limit: limit)
    }

    /// Reads Tiny-ImageNet: `wnids.txt` names the classes, `train/CLASS/images` has their pictures, `val/images` those for
    /// tests, whose classes are in `val/val_annotations.txt`. Classes are in the order of their names.
    init(tinyImageNet url: URL, split: Split, fit: ImageFit, limit: Int? = nil) throws {
        let classes = Folder.ordered(try Self.names(in: url.appending(path: "wnids.txt")) ?? [])
        var (files, labels): ([URL], [Int]) = ([], [])
        switch split {
        case .train:
            for (label, name) in classes.enumerated() {
                try Folder.check(name, in: url.appending(path: "wnids.txt"))
                let folder = try Folder(url.appending(path: "train/\(name)/images"))
                files += folder.pictures.map { folder.url.appending(path: $0) }
                labels += folder.pictures.map { _ in label }
            }
        case .test:
            let list = url.appending(path: "val/val_annotations.txt")
            guard let lines = try Self.names(in: list) else {
                throw FormatError(.missingFile, "there is no such file", subject: list.relativePath)
            }
            let numbers = Dictionary(zip(classes, classes.indices), uniquingKeysWith: { first, _ in first })
            for (index, line) in lines.enumerated() {
                let fields = line.split(separator: "\t", maxSplits: 2).map(String.init)
                guard fields.count >= 2, let label = numbers[fields[1]] else {
                    throw VisionError(
                        .badImages, "a line does not name a picture and its class",
                        subject: "\(list.relativePath), line \(index + 1)", found: line)
                }
                try Folder.check(fields[0], in: list)
                files.append(url.appending(path: "val/images/\(fields[0])"))
                labels.append(label)
            }
        }
        guard !files.isEmpty else {
            throw VisionError(.badImages, "there are no images here", subject: url.relativePath)
        }
        try self.init(files: files, labels: labels, classes: classes, fit: fit, limit: limit)
    }

    /// Grey pictures become colours where others are.
    private init(files all: [URL], labels: [Int], classes: [String], fit: ImageFit, limit: Int?) throws {
        let chosen = Self.spread(limit, over: all.count)
        let files = chosen.map { all[$0] }
        var pixels: [UInt8] = []
        var (channels, height, width) = (1, 0, 0)
        for (index, url) in files.enumerated() {
            let picture = try Self.picture(url, fit)
            if index == 0 {
                (channels, height, width) = (picture.channels, picture.height, picture.width)
                try Self.requireMemory(
                    files.count, [picture.channels, picture.height, picture.width],
                    in: url.deletingLastPathComponent().relativePath)
                pixels.reserveCapacity(files.count * picture.pixels.count)
            }
            guard (picture.height, picture.width) == (height, width) else {
                throw VisionError(
                    .badImages, "pictures have different sizes", subject: url.relativePath,
                    expected: "\(height) x \(width)", found: "\(picture.height) x \(picture.width)",
                    hint: "--resize 224 makes squares of them, --resize 256 --center-crop 224 keeps the middle of each")
            }
            if picture.channels > channels {
                let grey = stride(from: 0, to: pixels.count, by: height * width)
                pixels = grey.flatMap { start in Self.thrice(pixels[start..<start + height * width]) }
                channels = 3
            }
            pixels += picture.channels < channels ? Self.thrice(picture.pixels[...]) : picture.pixels
        }
        self.init(
            pixels: try Tensor(pixels, shape: [files.count, channels, height, width]),
            labels: chosen.map { labels[$0] }, classes: classes, files: files.map(\.lastPathComponent))
    }

    /// Reads and prepares a picture; what is wrong with its size is said with its name.
    private static func picture(_ url: URL, _ fit: ImageFit) throws -> Picture {
        let picture = try Picture(contentsOf: url)
        do { return try picture.fitted(fit) } catch let error as VisionError {
            throw VisionError(
                error.code, error.problem, subject: url.relativePath, expected: error.expected, found: error.found,
                hint: error.hint)
        }
    }

    private static func thrice(_ plane: ArraySlice<UInt8>) -> [UInt8] { Array([plane, plane, plane].joined()) }
}

/// What is in a directory, in the order of names; hidden files are left out.
private struct Folder {
    let url: URL
    private(set) var folders: [String] = []
    private(set) var pictures: [String] = []
    private(set) var others: [String] = []

    init(_ url: URL) throws {
        self.url = url
        let files = FileManager.default
        var isDirectory: ObjCBool = false
        guard files.fileExists(atPath: url.path, isDirectory: &isDirectory) else {
            throw FormatError(.missingFile, "there is no such directory", subject: url.relativePath)
        }
        for name in Self.ordered(try files.names(in: url)) where !name.hasPrefix(".") {
            _ = files.fileExists(atPath: url.appending(path: name).path, isDirectory: &isDirectory)
            if isDirectory.boolValue {
                folders.append(name)
            } else if name.lowercased().hasSuffix(".png") || name.lowercased().hasSuffix(".jpg")
                || name.lowercased().hasSuffix(".jpeg")
            {
                pictures.append(name)
            } else {
                others.append(name)
            }
        }
    }

    func path(_ name: String) -> String { url.appending(path: name).relativePath }

    /// By their bytes, as Python sorts.
    static func ordered(_ names: [String]) -> [String] {
        names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Refuses a name, read from a file, that leads elsewhere.
    static func check(_ name: String, in list: URL) throws {
        guard !name.isEmpty, name != ".", name != "..", !name.contains("/"), !name.contains("\0") else {
            throw VisionError(.badImages, "this is no name of a file", subject: list.relativePath, found: name)
        }
    }
}
