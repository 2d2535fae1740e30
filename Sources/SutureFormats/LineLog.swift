import Foundation

/// A file of lines that only grows: what was appended is on the disk, and one process at a time writes to it.
///
/// A line that a killed process left half written is cut off when the file is opened again.
public final class LineLog: @unchecked Sendable {
    // Sendable: appending is behind the lock; the rest never changes.
    private let descriptor: Int32
    private let name: String
    private let lock = NSLock()
    /// The lines that were there when the file was opened, without their ends.
    public let lines: [[UInt8]]

    /// Opens a file, or makes one.
    ///
    /// Throws ``FormatError`` with code `busy` where another process has it open as a log.
    public init(_ url: URL) throws {
        name = url.relativePath
        let isNew = !FileManager.default.fileExists(atPath: url.path)
        descriptor = open(url.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FormatError.system(.cannotWrite, "cannot be written", name) }
        do {
            try Self.lock(descriptor, name)
            let bytes = [UInt8](try Data(contentsOf: url))
            let end = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
            if end < bytes.count, ftruncate(descriptor, off_t(end)) != 0 {
                throw FormatError.system(.cannotWrite, "its last line cannot be cut off", name)
            }
            lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
                .map(Array.init)
            if isNew { Self.syncDirectory(of: url) }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Adds a line, and waits until it is on the disk.
    public func append(_ line: [UInt8]) throws {
        let bytes = line + [UInt8(ascii: "\n")]
        try lock.withLock {
            var done = 0
            while done < bytes.count {
                let written = bytes[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw FormatError.system(.cannotWrite, "cannot be written", name) }
                done += written
            }
            guard fsync(descriptor) == 0 else { throw FormatError.system(.cannotWrite, "cannot be synced", name) }
        }
    }

    private static func lock(_ descriptor: Int32, _ name: String) throws {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { throw FormatError.system(.cannotWrite, "cannot be locked", name) }
            throw FormatError(
                .busy, "another process is writing to this file", subject: name,
                hint: "wait for it, or choose another name")
        }
    }

    /// The name of a new file is on the disk with its directory; where that cannot be synced, nothing is lost but time.
    private static func syncDirectory(of url: URL) {
        let directory = open(url.deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        close(directory)
    }
}
