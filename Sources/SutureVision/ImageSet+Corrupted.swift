import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// Writes copies of all images, each with one of these corruptions, as the published sets lie:
    /// `fog/3/CLASS/00012.png` (``Layout/folders``, ImageNet-C), or `fog.npy`, in which the severities lie one after the other,
    /// and `labels.npy` (``Layout/arrays``, CIFAR-10-C). `corruptions.json` says what was done, from which seed.
    ///
    /// - Parameters:
    ///   - corruptions: kinds, severities and profiles; each once.
    ///   - url: the place of the directory.
    ///   - layout: folders or arrays; in arrays every kind must have as many severities, as they share their labels.
    ///   - seed: the random seed; the same images, corruption and seed give the same bytes.
    ///   - overwriting: whether a directory that this function wrote is replaced.
    ///   - progress: told after each batch how many images are written.
    /// - Throws: `FormatError` with code `alreadyExists`, ``VisionError`` with code `badRequest`.
    public func writeCorrupted(
        by corruptions: [Corruption], to url: URL, as layout: Layout, seed: UInt64, overwriting: Bool = false,
        progress: ProgressHandler = { _, _, _ in }
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
            try writeManifest(corruptions, seed: seed, in: directory)
        }
    }

    fileprivate static let manifest = "corruptions.json"

    private func writeManifest(_ corruptions: [Corruption], seed: UInt64, in directory: URL) throws {
        let content: JSON = [
            "schema": "suture.corruptions/1", "seed": JSON(String(seed)), "images": JSON(count),
            "corruptions": .array(corruptions.map { JSON($0.description) })
        ]
        try AtomicFile.write(content.serialized(pretty: true), to: directory.appending(path: Self.manifest))
    }
}

extension FolderKind {
    /// What ``ImageSet/writeCorrupted(by:to:as:seed:overwriting:progress:)`` writes.
    public static let corruptedSet = FolderKind("a corrupted set") { paths in
        paths.contains(ImageSet.manifest)
    } owns: { path, _ in
        if [ImageSet.manifest, "labels.npy", "classes.txt"].contains(path) { return true }
        let parts = path.split(separator: "/")
        if parts.count == 1 {
            return path.hasSuffix(".npy") && Corruption.Kind(rawValue: String(path.dropLast(4))) != nil
        }
        // KIND/SEVERITY/classes.txt and KIND/SEVERITY/CLASS/NUMBER.png
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
        func tile(_ pixels: Tensor) throws -> Picture {
            Picture(
                pixels: try pixels.elements(), channels: pixels.shape[1], height: pixels.shape[2],
                width: pixels.shape[3])
        }
        let clean = try pixels.narrowed(0, image..<image + 1)
        let severities = Set(corruptions.map(\.severity)).sorted()
        var sheet = ContactSheet(columns: ["clean"] + severities.map(String.init))
        for kind in Corruption.Kind.allCases where corruptions.contains(where: { $0.kind == kind }) {
            let tiles = try severities.map { severity in
                try corruptions.first { $0.kind == kind && $0.severity == severity }
                    .map { try tile($0(clean, seed: seed)) }
            }
            sheet.add(kind.rawValue, [try tile(clean)] + tiles)
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
