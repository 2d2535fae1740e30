import CFiles
import Foundation

/// A file that appears whole or not at all.
///
/// It is written under a hidden name beside its place, synced to the disk, and renamed. While one process does so, any
/// other that wants the same place is refused; what a killed process left is removed by the next one.
public final class AtomicFile: @unchecked Sendable {
    // Sendable: `put` changes nothing here; `append`, which does, belongs to the thread that creates the file.
    private let descriptor: Int32
    private let name: String
    private let temporary: String
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
    ///   - overwriting: whether a regular file that is there already is replaced; nothing else ever is.
    ///   - body: appends the bytes.
    /// - Throws: ``FormatError`` with `alreadyExists` or `busy` before anything is written, or if the system fails
    ///   to write; what `body` throws.
    public static func write<Result>(
        to url: URL, overwriting: Bool = false, _ body: (AtomicFile) throws -> Result
    ) throws -> Result {
        try checkReplacing(url, overwriting)
        let file = try AtomicFile(for: url)
        do {
            let result = try body(file)
            try file.finish()
            try file.place(at: url, overwriting: overwriting)
            Interruption.end(file.temporary)
            return result
        } catch {
            unlink(file.temporary)
            Interruption.end(file.temporary)
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

    private init(for url: URL) throws {
        name = url.relativePath
        let temporary = url.deletingLastPathComponent().appending(path: ".\(url.lastPathComponent).suture-tmp").path
        self.temporary = temporary
        while true {
            let descriptor = Interruption.begin(temporary) {
                open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            }
            guard descriptor >= 0 else {
                guard errno == EEXIST else { throw FormatError.system(.writing, "cannot be created", name) }
                try Self.removeLeftover(temporary, name)
                continue
            }
            // Before it was locked, somebody else may have taken it for what a killed process left.
            if FileLock.take(descriptor), FileLock.isNamed(descriptor, temporary) {
                self.descriptor = descriptor
                return
            }
            Interruption.end(temporary)
            close(descriptor)
        }
    }

    /// Removes what a killed process left. It may be a second name of a file that is in its place: it is never written to.
    private static func removeLeftover(_ path: String, _ name: String) throws {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw FormatError.system(.writing, "cannot be created", name)
        }
        defer { close(descriptor) }
        guard FileLock.take(descriptor) else { throw FileLock.busy(name) }
        guard !FileLock.isNamed(descriptor, path) || unlink(path) == 0 else {
            throw FormatError.system(.writing, "cannot be created", name)
        }
    }

    deinit {
        close(descriptor)
    }

    private func finish() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw FormatError.system(.writing, "cannot be synced", name) }
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

    private func place(at url: URL, overwriting: Bool) throws {
        let directory = try OpenDirectory(url.deletingLastPathComponent(), name: url.relativePath)
        if overwriting {
            guard rename(temporary, url.path) == 0 else {
                throw FormatError.system(.writing, "cannot be put in its place", url.relativePath)
            }
        } else {
            // A link, unlike a renaming, fails if the name was taken in the meantime.
            guard link(temporary, url.path) == 0 else {
                if errno == EEXIST { throw Self.alreadyExists(url) }
                throw FormatError.system(.writing, "cannot be put in its place", url.relativePath)
            }
            unlink(temporary)
        }
        try directory.sync()
    }

    private static func checkReplacing(_ url: URL, _ overwriting: Bool) throws {
        var status = stat()
        guard lstat(url.path, &status) == 0 else { return }
        // A link to nothing, or to a regular file, is a name and no more.
        let leadsOn = stat(url.path, &status) == 0
        guard overwriting else { throw alreadyExists(url) }
        guard !leadsOn || status.st_mode & S_IFMT == S_IFREG else {
            throw FormatError(
                .alreadyExists, "only regular files are replaced", subject: url.relativePath, hint: "name a file")
        }
    }

    private static func alreadyExists(_ url: URL) -> FormatError {
        FormatError(
            .alreadyExists, "there is such a file already", subject: url.relativePath,
            hint: "choose another name or allow overwriting")
    }
}
