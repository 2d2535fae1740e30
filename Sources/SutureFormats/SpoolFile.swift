import Foundation

/// A temporary file without a name, for what is made piece by piece and is too large for memory.
///
/// It is gone with the last ``TensorBytes`` that was written to it, also if the process is killed.
public final class SpoolFile {
    private let file: OpenFile
    private var end = 0

    /// - Parameter directory: where there is room for it.
    public init(in directory: URL = FileManager.default.temporaryDirectory) throws {
        var template = Array(directory.appending(path: ".suture-spool-XXXXXX").path.utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw FormatError.system(.cannotWrite, "no temporary file can be created", directory.relativePath)
        }
        unlink(template)
        file = OpenFile(descriptor, name: "temporary file in \(directory.relativePath)")
    }

    /// Writes a tensor's bytes, which `body` hands over in pieces.
    public func write(_ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> TensorBytes {
        let start = end
        try body { bytes in
            try writeAll(bytes, to: file.descriptor, at: end, name: file.name)
            end += bytes.count
        }
        return TensorBytes(file, start..<end)
    }
}

/// Writes all bytes at a place in a file.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, name: String) throws {
    var done = 0
    while done < bytes.count {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
        let written = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw FormatError.system(.cannotWrite, "cannot be written", name) }
        done += written
    }
}
