import Foundation
import SutureFormats
import SutureModels
import SutureTensor

extension ImageSet {
    /// Writes copies of all images, each with one of these corruptions, as the published sets lie:
    /// `fog/3/CLASS/NAME.png` (``Layout/folders``, ImageNet-C; with the images' own names, or their numbers), or `fog.npy`, in which the severities lie one after the other,
    /// and `labels.npy` (``Layout/arrays``, CIFAR-10-C). `corruptions.json` says what was done, from which seed.
    ///
    /// - Parameters:
    ///   - corruptions: kinds, severities and profiles; each once.
    ///   - url: the place of the directory.
    ///   - layout: folders or arrays; in arrays every kind must have as many severities, as they share their labels.
    ///   - seed: the random seed; the same images, corruption and seed give the same bytes.
    ///   - fit: how the images were prepared, to be noted: who reads them does not prepare them so again.
    ///   - overwriting: whether a directory that this function wrote is replaced.
    ///   - progress: told after each batch how many images are written.
    /// - Throws: `FormatError` with code `alreadyExists`, ``VisionError`` with code `badRequest`.
    public func writeCorrupted(
        by corruptions: [Corruption], to url: URL, as layout: Layout, seed: UInt64, fit: ImageFit = .none,
        overwriting: Bool = false, progress: ProgressHandler = { _, _, _ in }
    ) throws {
        guard count > 0, !corruptions.isEmpty,
            Set(corruptions.map { [$0.kind.rawValue, "\($0.severity)"] }).count == corruptions.count
        else {
            throw VisionError(.badRequest, "each kind and severity of a corruption is named once, and at least one")
        }
        let batch = [min(self.count(within: 1 << 29, atMost: 256), count)] + pixels.shape.dropFirst()
        for corruption in corruptions { try corruption.requireMemory(for: batch, threads: Runtime.threads) }
        let byKind = Dictionary(grouping: corruptions, by: \.kind.rawValue)
            .mapValues { $0.sorted { $0.severity < $1.severity } }
        var completed = 0
        func corrupt(_ corruption: Corruption, _ body: (Tensor, Range<Int>) throws -> Void) throws {
            try inBatches { pixels, range in
                try body(try corruption.applied(to: pixels, seed: corruption.seed(seed, at: range.lowerBound)), range)
                completed += range.count
                progress("corrupting images", completed, count * corruptions.count)
            }
        }
        try AtomicDirectory.write(to: url, replacing: overwriting ? .corruptedSet : nil) { directory in
            switch layout {
            case .folders:
                for corruption in corruptions {
                    let folder = directory.appending(path: "\(corruption.kind.rawValue)/\(corruption.severity)")
                    try FileManager.default.makeDirectory(folder)
                    try makeFolders(in: folder)
                    try corrupt(corruption) { try writePictures($0, of: $1, in: folder) }
                }
            case .arrays:
                let copies = byKind.values.map(\.count)
                guard Set(copies).count == 1 else {
                    throw VisionError(.badRequest, "in arrays every corruption has as many severities")
                }
                for (kind, severities) in byKind.sorted(by: { $0.key < $1.key }) {
                    try writeArray(to: directory.appending(path: "\(kind).npy"), copies: copies[0]) { array in
                        for corruption in severities {
                            try corrupt(corruption) { pixels, _ in try array.append(rows: pixels) }
                        }
                    }
                }
                try writeLabels(in: directory, copies: copies[0])
            }
            try writeManifest(corruptions, seed: seed, fit: fit, in: directory)
        }
    }

    fileprivate static let manifest = "corruptions.json"

    private func writeManifest(_ corruptions: [Corruption], seed: UInt64, fit: ImageFit, in directory: URL) throws {
        let content: JSON = [
            "schema": "suture.corruptions/1", "seed": JSON(String(seed)), "images": JSON(count),
            "corruptions": .array(corruptions.map { JSON($0.description) }), "preparation": fit.config
        ]
        try AtomicFile.write(content.serialized(pretty: true), to: directory.appending(path: Self.manifest))
    }

    /// How the images at `url` were prepared before they were corrupted, by the manifest of their set; nil if they were not,
    /// or it does not say.
    static func preparation(of url: URL) throws -> ImageFit? {
        // SET/fog.npy or SET/fog/3
        let above = url.deletingLastPathComponent()
        let places = [above, above.deletingLastPathComponent()].map { $0.appending(path: manifest) }
        guard let place = places.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else { return nil }
        let content = JSONField(try JSON.parse(contentsOf: place), source: place.relativePath)
        return try content.optional("preparation").map { try ImageFit($0) }
    }
}

extension FolderKind {
    /// What ``ImageSet/writeCorrupted(by:to:as:seed:fit:overwriting:progress:)`` writes.
    public static let corruptedSet = FolderKind("a corrupted set") { paths in
        paths.contains(ImageSet.manifest)
    } owns: { path, _ in
        if [ImageSet.manifest, "labels.npy", "classes.txt"].contains(path) { return true }
        let parts = path.split(separator: "/")
        if parts.count == 1 {
            return path.hasSuffix(".npy") && Corruption.Kind(rawValue: String(path.dropLast(4))) != nil
        }
        // KIND/SEVERITY/classes.txt and KIND/SEVERITY/CLASS/NAME.png
        return Corruption.Kind(rawValue: String(parts[0])) != nil && Int(parts[1]) != nil
            && (parts.count == 4 && path.hasSuffix(".png") || parts.count == 3 && parts[2] == "classes.txt")
    }
}

extension ImageSet {
    /// What these corruptions do to one image: a row for each kind, under the image as it is and the severities asked for.
    ///
    /// Throws ``VisionError`` with code `badRequest` if there is no such image.
    public func contactSheet(of corruptions: [Corruption], image: Int, seed: UInt64) throws -> Picture {
        guard 0..<count ~= image else {
            throw VisionError(.badRequest, "there is no such image", expected: "0..<\(count)", found: "\(image)")
        }
        let clean = try pixels.narrowed(0, image..<image + 1)
        let original = try picture(image)
        let severities = Set(corruptions.map(\.severity)).sorted()
        var sheet = ContactSheet(columns: ["clean"] + severities.map(String.init))
        for kind in Corruption.Kind.allCases where corruptions.contains(where: { $0.kind == kind }) {
            let tiles = try severities.map { severity in
                try corruptions.first { $0.kind == kind && $0.severity == severity }
                    .map { corruption in
                        Picture(
                            pixels: try corruption(clean, seed: seed).elements(), channels: original.channels,
                            height: original.height, width: original.width)
                    }
            }
            sheet.add(kind.rawValue, [original] + tiles)
        }
        return sheet.picture()
    }
}

extension Corruption {
    /// A seed for the images from `start` on, other than for other kinds, severities and images.
    fileprivate func seed(_ seed: UInt64, at start: Int) -> UInt64 {
        let number = 8 * (Kind.allCases.firstIndex(of: kind) ?? 0) + severity
        var mixed = SeededGenerator(seed: seed &+ UInt64(number) << 40 &+ UInt64(start))
        return mixed.next()
    }
}
