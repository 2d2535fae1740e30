import Foundation

extension SnapshotDirectory {
    /// Creates a snapshot directory, whole or not at all, from what `body` puts into the directory that it is given.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - source: the model it is made from, if it is made from one, which must stay as it is.
    ///   - overwriting: whether a directory there is replaced that holds a model and nothing else.
    ///   - body: fills the directory.
    /// - Throws: ``FormatError`` with `alreadyExists` if something is there, `inTheWay` if `url` is, holds, or lies in
    ///   `source`.
    public static func create<Result>(
        at url: URL, from source: URL? = nil, overwriting: Bool, _ body: (URL) throws -> Result
    ) throws -> Result {
        let kind = FolderKind.model(from: source)
        try FilePlan(
            reading: [source].compactMap(\.self), writing: [.init(url, .folder(kind), isForced: overwriting)]
        ).check()
        // A link to a directory stays: the directory is replaced.
        let target = URL(filePath: try FilePlace(url, for: .writing).path)
        return try AtomicDirectory.write(to: target, replacing: overwriting ? kind : nil, body)
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
        try FileManager.default.makeDirectory(target.deletingLastPathComponent())
        return target
    }
}
