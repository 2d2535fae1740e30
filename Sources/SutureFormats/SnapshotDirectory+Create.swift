import Foundation

extension SnapshotDirectory {
    /// Creates a snapshot directory, whole or not at all, from what `body` puts into the directory that it is given.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - source: the model it is made from, which must stay as it is.
    ///   - overwriting: whether another snapshot directory there is replaced; nothing else ever is.
    ///   - body: fills the directory.
    /// - Throws: ``FormatError`` with `alreadyExists` if something is there, or if `url` is, holds, or lies in `source`.
    public static func create<Result>(
        at url: URL, from source: URL, overwriting: Bool, _ body: (URL) throws -> Result
    ) throws -> Result {
        let target = url.standardizedFileURL.resolvingSymlinksInPath().path
        let origin = source.standardizedFileURL.resolvingSymlinksInPath().path
        if target == origin || origin.hasPrefix(target + "/") || target.hasPrefix(origin + "/") {
            throw FormatError(
                .alreadyExists, "the result must not be written over or into the model it is made from",
                subject: url.relativePath, hint: "choose another directory")
        }
        return try create(at: url, overwriting: overwriting, body)
    }

    /// Creates a snapshot directory, whole or not at all, from what `body` puts into the directory that it is given.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - overwriting: whether another snapshot directory there is replaced; nothing else ever is.
    ///   - body: fills the directory.
    /// - Throws: ``FormatError`` with `alreadyExists` if something is there.
    public static func create<Result>(
        at url: URL, overwriting: Bool, _ body: (URL) throws -> Result
    ) throws -> Result {
        let target = url.standardizedFileURL.resolvingSymlinksInPath().path
        if overwriting, FileManager.default.fileExists(atPath: target),
            !FileManager.default.fileExists(atPath: target + "/config.json")
        {
            throw FormatError(
                .alreadyExists, "there is something that is not a model, and it is not overwritten",
                subject: url.relativePath, hint: "choose another directory")
        }
        return try AtomicDirectory.write(to: URL(filePath: target), overwriting: overwriting, body)
    }

    /// Copies files of this directory, named by their relative paths, into another.
    public func copy(_ paths: [String], to directory: URL) throws {
        for path in paths {
            let file = try MappedFile(url.appending(path: path))
            try AtomicFile.write(to: Self.place(for: path, in: directory)) { copy in
                try copy.put(file, 0..<file.bytes.count, at: 0)
            }
        }
    }

    /// Gives files of this directory a second name in another: nothing is written, and what changes one changes both.
    ///
    /// Where the system cannot, a file is copied.
    public func link(_ paths: [String], to directory: URL) throws {
        for path in paths {
            let target = try Self.place(for: path, in: directory)
            // Through symbolic links, which is how the cache of Hugging Face names its files.
            let source = url.appending(path: path).path
            if linkat(AT_FDCWD, source, AT_FDCWD, target.path, AT_SYMLINK_FOLLOW) != 0 {
                try copy([path], to: directory)
            }
        }
    }

    private static func place(for path: String, in directory: URL) throws -> URL {
        let target = directory.appending(path: path)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        return target
    }
}
