import CFiles
import Foundation

/// A temporary file without a name, for what is made piece by piece and is too large for memory.
///
/// It is gone with the last ``TensorBytes`` in it, also if the process is killed. Several threads may write to it.
public final class SpoolFile: @unchecked Sendable {
    // Sendable: all that changes is behind the lock.
    private let file: OpenFile
    private let lock = NSLock()
    private var end = 0

    /// - Parameter directory: where there is room for it.
    public init(in directory: URL = FileManager.default.temporaryDirectory) throws {
        let descriptor = Self.open(directory.path)
        guard descriptor >= 0 else {
            throw FormatError.system(.writing, "no temporary file can be created", directory.relativePath)
        }
        file = OpenFile(descriptor, name: "temporary file in \(directory.relativePath)")
    }

    /// Opens a file without a name; where the system knows none, one whose name is taken off at once.
    package static func open(_ directory: String) -> Int32 {
        let descriptor = cf_open_nameless(directory)
        if descriptor >= 0 { return descriptor }
        var template = Array((directory + "/.suture-spool-XXXXXX").utf8CString)
        let named = mkstemp(&template)
        if named >= 0 { unlink(template) }
        return named
    }

    /// Room for so many bytes, to be filled with ``write(_:to:at:)``.
    public func reserve(_ count: Int) -> TensorBytes {
        lock.withLock {
            defer { end += count }
            return TensorBytes(file, end..<end + count)
        }
    }

    /// Writes bytes into reserved room.
    public func write(_ bytes: UnsafeRawBufferPointer, to room: TensorBytes, at offset: Int) throws {
        guard let start = room.start(in: file), offset + bytes.count <= room.count else {
            preconditionFailure("this room is not in this file")
        }
        try writeAll(bytes, to: file.descriptor, at: start + offset, name: file.name)
    }
}

/// Writes all bytes at a place in a file.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, name: String) throws {
    var done = 0
    while done < bytes.count {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
        let written = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw FormatError.system(.writing, "cannot be written", name) }
        done += written
    }
}
