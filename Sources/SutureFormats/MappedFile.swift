import Foundation

/// A file in memory, read-only, its pages loaded by the system as they are touched.
///
/// A file must not shrink while it is mapped: the system ends a process that touches pages past the new end.
public final class MappedFile: Sendable {
    /// What is in the file; valid as long as this object lives.
    ///
    /// ``MappedBytes`` sees to that. Who reads them otherwise does, as the compiler may end an object's life behind its
    /// last use: `defer { withExtendedLifetime(file) {} }`.
    public nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    /// The same of a text, without the byte-order mark that some editors put before it.
    public var text: UnsafeRawBufferPointer {
        bytes.starts(with: ByteOrderMark.utf8)
            ? UnsafeRawBufferPointer(rebasing: bytes.dropFirst(ByteOrderMark.utf8.count)) : bytes
    }
    /// The file as the user named it, for messages.
    public let name: String
    /// The same file for reading without the map.
    let open: OpenFile

    /// - Throws: ``FormatError`` if the file cannot be read or is a directory, a pipe or the like.
    public init(_ url: URL) throws {
        name = url.relativePath
        // Without O_NONBLOCK the opening of a pipe would wait for its other end.
        let descriptor = Foundation.open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw FormatError.system(.reading, "cannot be opened", name)
        }
        open = OpenFile(descriptor, name: name)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FormatError.system(.reading, "cannot be read", name) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FormatError(.notARegularFile, "not a regular file", subject: name)
        }
        let count = Int(status.st_size)
        if count == 0 {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FormatError.system(.reading, "cannot be mapped", name)
        }
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    /// All bytes, in memory of their own: for a file that may change or shrink.
    package func copy() -> [UInt8] { withExtendedLifetime(self) { [UInt8](bytes) } }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}

/// A part of a mapped file, which keeps the file mapped.
public struct MappedBytes: Sendable {
    public let file: MappedFile
    /// Which bytes of the file these are.
    public let range: Range<Int>

    /// `range` must lie in the file.
    init(_ file: MappedFile, _ range: Range<Int>) {
        self.file = file
        self.range = range
    }

    public var count: Int { range.count }

    /// Runs `body` on the bytes, without a copy; they are not aligned to anything.
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(file) { try body(UnsafeRawBufferPointer(rebasing: file.bytes[range])) }
    }

    /// Takes the bytes out of this process's memory; when they are touched again, the system reads them again.
    public func leaveMemory() {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let (first, end) = ((range.lowerBound + page - 1) / page * page, range.upperBound / page * page)
        guard let start = file.bytes.baseAddress, first < end else { return }
        madvise(UnsafeMutableRawPointer(mutating: start + first), end - first, MADV_DONTNEED)
    }
}
