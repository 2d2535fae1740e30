import CFiles
import Foundation

/// A file that appears whole or not at all.
///
/// It is written under another name beside its place, synced to the disk, and renamed.
public final class AtomicFile: @unchecked Sendable {
    // Sendable: `put` changes nothing here; `append`, which does, belongs to the thread that creates the file.
    private let descriptor: Int32
    private let name: String
    private var buffer: [UInt8] = []
    /// Where the buffer goes.
    private var end = 0
    /// How far the system was told to write to the disk.
    private var started = 0
    private static let bufferSize = 1 << 16
    /// How much is copied between two looks at what else there is to do.
    private static let copySize = 1 << 26
    /// How much is appended before the system begins to write it to the disk.
    private static let startSize = 1 << 23

    /// Creates the file `url` from what `body` writes; on any error nothing is left of it.
    ///
    /// - Parameters:
    ///   - url: its place.
    ///   - overwriting: whether a file that is there already is replaced.
    ///   - body: appends the bytes.
    /// - Throws: ``FormatError`` with `alreadyExists` before anything is written, or if the system fails to write;
    ///   what `body` throws.
    public static func write<Result>(
        to url: URL, overwriting: Bool = false, _ body: (AtomicFile) throws -> Result
    ) throws -> Result {
        if !overwriting, exists(url.path) { throw alreadyExists(url) }
        let temporary = url.deletingLastPathComponent()
            .appending(path: ".\(url.lastPathComponent).\(UInt32.random(in: 0...(.max))).tmp").path
        let file = try AtomicFile(temporary, name: url.relativePath)
        do {
            let result = try body(file)
            try file.finish()
            try place(temporary, at: url, overwriting: overwriting)
            return result
        } catch {
            unlink(temporary)
            throw error
        }
    }

    /// Creates the file `url` with these bytes.
    public static func write(_ bytes: [UInt8], to url: URL, overwriting: Bool = false) throws {
        try write(to: url, overwriting: overwriting) { file in try bytes.withUnsafeBytes { try file.append($0) } }
    }

    /// Adds bytes at the end.
    public func append(_ bytes: UnsafeRawBufferPointer) throws {
        if buffer.count + bytes.count > Self.bufferSize { try flush() }
        if bytes.count >= Self.bufferSize {
            try writeOut(bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
    }

    /// Adds the bytes of a tensor at the end, without a way through this process where the system can.
    public func append(_ bytes: TensorBytes) throws {
        try flush()
        try bytes.copy(to: self, at: end)
        end += bytes.count
    }

    /// Puts bytes in a place of their own; several threads may. A file is made either so or by `append`.
    public func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        try writeAll(bytes, to: descriptor, at: offset, name: name)
    }

    /// Copies a part of another file, without a way through this process where the system can.
    public func put(_ file: MappedFile, _ range: Range<Int>, at offset: Int) throws {
        try put(from: file.open, range, at: offset)
    }

    /// Lets the system write a part to the disk while there is other work, so that less is left for the end.
    public func startWriting(_ range: Range<Int>) {
        cf_start_writing(descriptor, Int64(range.lowerBound), Int64(range.count))
    }

    func put(from source: OpenFile, _ range: Range<Int>, at offset: Int) throws {
        var done = 0
        while done < range.count {
            let piece = min(range.count - done, Self.copySize)
            let count = cf_copy_range(
                source.descriptor, Int64(range.lowerBound + done), descriptor, Int64(offset + done), piece)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            startWriting(offset + done..<offset + done + Int(count))
            done += Int(count)
        }
        if done == range.count { return }
        // Not every pair of file systems can; then by way of memory, which also says what is wrong, if something is.
        let rest = TensorBytes(source, range.lowerBound + done..<range.upperBound)
        try rest.forEachChunk { bytes in
            try put(bytes, at: offset + done)
            done += bytes.count
        }
    }

    private init(_ path: String, name: String) throws {
        self.name = name
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FormatError.system(.cannotWrite, "cannot be created", name) }
    }

    deinit {
        close(descriptor)
    }

    private func finish() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw FormatError.system(.cannotWrite, "cannot be synced", name) }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try writeOut($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func writeOut(_ bytes: UnsafeRawBufferPointer) throws {
        try put(bytes, at: end)
        end += bytes.count
        if end - started >= Self.startSize {
            startWriting(started..<end)
            started = end
        }
    }

    private static func place(_ temporary: String, at url: URL, overwriting: Bool) throws {
        if overwriting {
            guard rename(temporary, url.path) == 0 else {
                throw FormatError.system(.cannotWrite, "cannot be put in its place", url.relativePath)
            }
        } else {
            // A link, unlike a renaming, fails if the name was taken in the meantime.
            guard link(temporary, url.path) == 0 else {
                if errno == EEXIST { throw alreadyExists(url) }
                throw FormatError.system(.cannotWrite, "cannot be put in its place", url.relativePath)
            }
            unlink(temporary)
        }
        try syncDirectory(of: url)
    }

    /// The new name is on the disk only when the directory is.
    private static func syncDirectory(of url: URL) throws {
        let directory = open(url.deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        guard directory >= 0 else { throw FormatError.system(.cannotWrite, "cannot be synced", url.relativePath) }
        defer { close(directory) }
        // Some file systems cannot sync a directory and say so with EINVAL; their names are on the disk already.
        guard fsync(directory) == 0 || errno == EINVAL else {
            throw FormatError.system(.cannotWrite, "cannot be synced", url.relativePath)
        }
    }

    private static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    private static func alreadyExists(_ url: URL) -> FormatError {
        FormatError(
            .alreadyExists, "there is such a file already", subject: url.relativePath,
            hint: "choose another name or allow overwriting")
    }
}
