import CFiles
import Foundation

/// A directory that appears whole or not at all.
///
/// It is filled under a hidden name beside its place, synced to the disk, and renamed. While one process does so, any
/// other that wants the same place is refused.
public enum AtomicDirectory {
    /// Creates the directory `url` from what `body` puts into the directory that it is given.
    ///
    /// On any error nothing is left of it; what a killed process left is removed by the next one. `body` writes its files
    /// with ``AtomicFile``, which syncs them.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - kind: what a directory has to be that is there already, to be replaced, in one step where the system can.
    ///   - body: is given the directory under its temporary name.
    /// - Throws: ``FormatError`` with `alreadyExists` or `busy` before anything is written, or if the system fails to
    ///   write; what `body` throws.
    public static func write<Result>(
        to url: URL, replacing kind: FolderKind? = nil, _ body: (URL) throws -> Result
    ) throws -> Result {
        try checkReplacing(url, kind)
        let lock = try TargetLock(of: url)
        defer { lock.release() }
        removeLeftovers(of: url)
        let temporary = url.deletingLastPathComponent().appending(path: temporaryName(of: url))
        guard Interruption.begin(temporary.path, { mkdir(temporary.path, 0o777) }) == 0 else {
            throw FormatError.system(.writing, "cannot be created", url.relativePath)
        }
        do {
            let result = try body(temporary)
            try OpenDirectory(temporary, name: url.relativePath).sync()
            try place(temporary, at: url, replacing: kind)
            Interruption.end(temporary.path)
            return result
        } catch {
            try? FileManager.default.removeItem(at: temporary)
            Interruption.end(temporary.path)
            // In the user's words: the hidden name says nothing.
            throw (error as? FormatError)?.replacing(temporary.relativePath, by: url.relativePath) ?? error
        }
    }

    private static func checkReplacing(_ url: URL, _ kind: FolderKind?) throws {
        guard exists(url.path) else { return }
        guard let kind else { throw alreadyExists(url) }
        try kind.check(url, name: url.relativePath)
    }

    private static func place(_ temporary: URL, at url: URL, replacing kind: FolderKind?) throws {
        let parent = try OpenDirectory(url.deletingLastPathComponent(), name: url.relativePath)
        guard kind != nil, exists(url.path) else {
            // If the name was taken in the meantime this fails, except for an empty directory, which is no loss.
            guard Interruption.settle({ rename(temporary.path, url.path) }) == 0 else {
                if [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno) { throw alreadyExists(url) }
                throw FormatError.system(.writing, "cannot be put in its place", url.relativePath)
            }
            return try parent.sync()
        }
        // Somebody may have put something there meanwhile.
        try checkReplacing(url, kind)
        // Both names always have a whole directory, whenever the machine stops.
        if Interruption.settle({ cf_exchange(temporary.path, url.path) }) == 0 {
            try parent.sync()
            try? FileManager.default.removeItem(at: temporary)
            return
        }
        guard [ENOSYS, EINVAL, ENOTSUP].contains(errno) else {
            throw FormatError.system(.writing, "cannot be replaced", url.relativePath)
        }
        try Interruption.settle { try replaceInTwoSteps(temporary, url, in: parent) }
    }

    /// For file systems that cannot exchange names: if the machine stops between the steps, the old directory is whole
    /// under the hidden name with `.old`, and nothing removes it.
    private static func replaceInTwoSteps(_ temporary: URL, _ url: URL, in parent: OpenDirectory) throws {
        let replaced = temporary.deletingPathExtension().appendingPathExtension("old")
        guard rename(url.path, replaced.path) == 0 else {
            throw FormatError.system(.writing, "cannot be replaced", url.relativePath)
        }
        guard rename(temporary.path, url.path) == 0 else {
            let reason = errno
            rename(replaced.path, url.path)
            errno = reason
            throw FormatError.system(.writing, "cannot be put in its place", url.relativePath)
        }
        try parent.sync()
        try? FileManager.default.removeItem(at: replaced)
    }

    private static func temporaryName(of url: URL) -> String {
        ".\(url.lastPathComponent).\(UInt32.random(in: 0...(.max))).tmp"
    }

    /// Removes what killed processes left beside this place; the lock says that nobody is at work there.
    private static func removeLeftovers(of url: URL) {
        let parent = url.deletingLastPathComponent()
        let prefix = ".\(url.lastPathComponent)."
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? []
        where name.hasPrefix(prefix) && name.hasSuffix(".tmp") {
            let number = name.dropFirst(prefix.count).dropLast(4)
            guard UInt32(number) != nil, !number.hasPrefix("+") else { continue }
            try? FileManager.default.removeItem(at: parent.appending(path: name))
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

/// The right to write to one place, which ends with the process at the latest.
private struct TargetLock {
    private let descriptor: Int32
    private let path: String

    init(of url: URL) throws {
        let path = url.deletingLastPathComponent().appending(path: ".\(url.lastPathComponent).lock").path
        self.path = path
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else {
                throw FormatError.system(.writing, "cannot be created", url.relativePath)
            }
            guard FileLock.take(descriptor) else {
                close(descriptor)
                throw FileLock.busy(url.relativePath)
            }
            // Whoever had the lock before removed the file.
            if Interruption.begin(path, { FileLock.isNamed(descriptor, path) ? 0 : -1 }) == 0 {
                self.descriptor = descriptor
                return
            }
            close(descriptor)
        }
    }

    func release() {
        unlink(path)
        Interruption.end(path)
        close(descriptor)
    }
}
