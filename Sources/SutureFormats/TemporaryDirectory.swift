import Foundation

/// A directory for a while: it goes when its work is done, and what a killed process left goes with the next one.
package enum TemporaryDirectory {
    private static let prefix = ".suture-work-"

    /// Runs `body` with a new directory in another.
    ///
    /// - Throws: ``FormatError`` where none can be made, and what `body` throws.
    package static func use<Result>(in parent: URL, _ body: (URL) throws -> Result) throws -> Result {
        removeLeftovers(in: parent)
        while true {
            let url = parent.appending(path: prefix + String(UInt64.random(in: 0...(.max)), radix: 16))
            func failure() -> FormatError {
                .system(.writing, "no temporary directory can be made", parent.relativePath)
            }
            guard Interruption.begin(url.path, { mkdir(url.path, 0o700) }) == 0 else { throw failure() }
            defer {
                try? FileManager.default.removeItem(at: url)
                Interruption.end(url.path)
            }
            let descriptor = open(url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else {
                // Before it was locked, somebody else took it for a leftover.
                if errno == ENOENT { continue }
                throw failure()
            }
            defer { close(descriptor) }
            // Or did so since.
            guard FileLock.take(descriptor), FileLock.isNamed(descriptor, url.path) else { continue }
            return try body(url)
        }
    }

    private static func removeLeftovers(in parent: URL) {
        for name in (try? FileManager.default.names(in: parent)) ?? [] where name.hasPrefix(prefix) {
            let url = parent.appending(path: name)
            let descriptor = open(url.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            if FileLock.take(descriptor) { try? FileManager.default.removeItem(at: url) }
        }
    }
}
