import Foundation

/// A file of lines that only grows: what was appended is on the disk, and one process at a time writes to it.
///
/// Nothing in a file changes before it is known for a log: its first line, and every other that is whole, is looked at.
/// Then a line that a killed process left half written is cut off.
public final class LineLog: @unchecked Sendable {
    // Sendable: appending is behind the lock; the rest never changes.
    private let file: OpenFile
    private let lock = NSLock()
    /// The lines that are there when the file is opened, without their ends; the first one at least.
    public let lines: [[UInt8]]

    /// Opens a file, or makes one.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - firstLine: what a new log begins with.
    ///   - check: throws for lines that are not those of such a log; the file is then left as it is.
    /// - Throws: ``FormatError`` with code `busy` where another process has it open as a log, and what `check` throws.
    public init(_ url: URL, firstLine: [UInt8], _ check: (_ lines: [[UInt8]]) throws -> Void) throws {
        let name = url.relativePath
        // Without O_NONBLOCK the opening of a pipe would wait for its other end.
        let flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_CREAT
        var descriptor = open(url.path, flags | O_EXCL, 0o666)
        let isNew = descriptor >= 0
        if !isNew, errno == EEXIST { descriptor = open(url.path, flags, 0o666) }
        guard descriptor >= 0 else { throw FormatError.system(.writing, "cannot be written", name) }
        file = OpenFile(descriptor, name: name)
        let bytes = try Self.content(file)
        let end = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        let whole = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            .map(Array.init)
        // Of a log without a whole line, all there is must be the beginning of the first one.
        let isBegun = whole.isEmpty && firstLine.starts(with: bytes)
        if !isBegun { try check(whole.isEmpty ? [bytes] : whole) }
        lines = isBegun ? [firstLine] : whole
        if end < bytes.count, ftruncate(descriptor, off_t(end)) != 0 {
            throw FormatError.system(.writing, "its last line cannot be cut off", name)
        }
        if isBegun {
            do { try append(firstLine) } catch {
                if isNew { unlink(url.path) }
                throw error
            }
            // Where that cannot be synced, nothing is lost but time.
            try? OpenDirectory(url.deletingLastPathComponent(), name: name).sync()
        }
    }

    /// Adds a line, and waits until it is on the disk. Of a line that does not fit nothing stays.
    public func append(_ line: [UInt8]) throws {
        let bytes = line + [UInt8(ascii: "\n")]
        try lock.withLock {
            var done = 0
            while done < bytes.count {
                let written = bytes[done...].withUnsafeBytes { write(file.descriptor, $0.baseAddress, $0.count) }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else {
                    let error = FormatError.system(.writing, "cannot be written", file.name)
                    let end = lseek(file.descriptor, 0, SEEK_END)
                    // Where this fails, too, the next opening of the log cuts it off.
                    if end >= done { _ = ftruncate(file.descriptor, end - off_t(done)) }
                    throw error
                }
                done += written
            }
            guard fsync(file.descriptor) == 0 else { throw FormatError.system(.writing, "cannot be synced", file.name) }
        }
    }

    /// All bytes of a regular file that nobody else writes to.
    private static func content(_ file: OpenFile) throws -> [UInt8] {
        func status() throws -> stat {
            var status = stat()
            guard fstat(file.descriptor, &status) == 0 else {
                throw FormatError.system(.reading, "cannot be read", file.name)
            }
            return status
        }
        guard try status().st_mode & S_IFMT == S_IFREG else {
            throw FormatError(.notARegularFile, "not a regular file", subject: file.name)
        }
        guard FileLock.take(file.descriptor) else { throw FileLock.busy(file.name) }
        // Asked again: who had the lock until now may have written.
        let count = Int(try status().st_size)
        return try TensorBytes(file, 0..<count).bytes(0..<count)
    }
}
