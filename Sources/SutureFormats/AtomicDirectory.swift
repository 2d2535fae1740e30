import Foundation

/// A directory that appears whole or not at all.
///
/// It is filled under a hidden name beside its place, synced to the disk, and renamed.
public enum AtomicDirectory {
    /// Creates the directory `url` from what `body` puts into the directory that it is given.
    ///
    /// On any error nothing is left of it. `body` writes its files with ``AtomicFile``, which syncs them.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - overwriting: whether a directory that is there already is replaced.
    ///   - body: is given the directory under its temporary name.
    /// - Throws: ``FormatError`` with `alreadyExists` before anything is written, or if the system fails to write;
    ///   what `body` throws.
    public static func write<Result>(
        to url: URL, overwriting: Bool = false, _ body: (URL) throws -> Result
    ) throws -> Result {
        if !overwriting, exists(url.path) { throw alreadyExists(url) }
        let temporary = url.deletingLastPathComponent()
            .appending(path: ".\(url.lastPathComponent).\(UInt32.random(in: 0...(.max))).tmp")
        guard mkdir(temporary.path, 0o777) == 0 else {
            throw FormatError.system(.cannotWrite, "cannot be created", url.relativePath)
        }
        do {
            let result = try body(temporary)
            try sync(temporary, name: url.relativePath)
            try place(temporary, at: url, overwriting: overwriting)
            return result
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            throw error
        }
    }

    private static func place(_ temporary: URL, at url: URL, overwriting: Bool) throws {
        let replaced = temporary.deletingPathExtension().appendingPathExtension("old")
        // Directories are not exchanged in one step everywhere: if the machine stops between these two, the old one is
        // whole under its hidden name.
        let replaces = overwriting && exists(url.path)
        if replaces, rename(url.path, replaced.path) != 0 {
            throw FormatError.system(.cannotWrite, "cannot be replaced", url.relativePath)
        }
        // If the name was taken in the meantime this fails, except for an empty directory, which is no loss.
        guard rename(temporary.path, url.path) == 0 else {
            let reason = errno
            if replaces { rename(replaced.path, url.path) }
            if [EEXIST, ENOTEMPTY, ENOTDIR].contains(reason) { throw alreadyExists(url) }
            errno = reason
            throw FormatError.system(.cannotWrite, "cannot be put in its place", url.relativePath)
        }
        try sync(url.deletingLastPathComponent(), name: url.relativePath)
        if replaces { try FileManager.default.removeItem(at: replaced) }
    }

    private static func sync(_ url: URL, name: String) throws {
        let directory = open(url.path, O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { throw FormatError.system(.cannotWrite, "cannot be synced", name) }
        defer { close(directory) }
        // Some file systems cannot sync a directory and say so with EINVAL; their names are on the disk already.
        guard fsync(directory) == 0 || errno == EINVAL else {
            throw FormatError.system(.cannotWrite, "cannot be synced", name)
        }
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    private static func alreadyExists(_ url: URL) -> FormatError {
        FormatError(
            .alreadyExists, "there is such a directory or file already", subject: url.relativePath,
            hint: "choose another name or allow overwriting")
    }
}
