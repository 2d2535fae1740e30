import Foundation

/// What this process has begun to write and not finished, so that an interruption leaves nothing of it.
package enum Interruption {
    // Guarded by the lock.
    nonisolated(unsafe) private static var unfinished: Set<String> = []
    nonisolated(unsafe) private static var planned: [(name: String, path: String, before: FilePlace.Identity?)] = []
    nonisolated(unsafe) private static var resumption: String?
    private static let lock = NSLock()

    /// Makes a temporary file or directory by a call of the system, which returns -1 where it fails.
    static func begin(_ path: String, _ make: () -> Int32) -> Int32 {
        lock.withLock {
            let result = make()
            if result >= 0 { unfinished.insert(path) }
            return result
        }
    }

    /// It is gone.
    static func end(_ path: String) { lock.withLock { _ = unfinished.remove(path) } }

    /// Makes directories, or moves a finished one to its place: wholly before an interruption, or not at all.
    static func settle<Result>(_ move: () throws -> Result) rethrows -> Result { try lock.withLock(move) }

    /// A result of this process will have this name and place.
    static func plan(_ name: String, at path: String) {
        lock.withLock {
            guard !planned.contains(where: { $0.path == path }) else { return }
            planned.append((name, path, FilePlace.Identity(path)))
        }
    }

    /// What a command says of work that it kept: how to go on with it.
    package static func keep(_ words: String) { lock.withLock { resumption = words } }

    /// Lets nothing be begun or put in its place from now on: the process is about to end.
    package static func hold() { lock.lock() }

    /// Removes all that is unfinished, for good.
    ///
    /// - Returns: what is there of the results, in words.
    package static func abandon() -> String {
        hold()
        for path in unfinished {
            // Other threads may still fill a directory, until they come to the lock.
            var attempts = 0
            while unlink(path) != 0, errno != ENOENT, attempts < 20 {
                try? FileManager.default.removeItem(atPath: path)
                attempts += 1
            }
        }
        if let resumption { return resumption }
        let written = planned.filter { result in
            FilePlace.Identity(result.path).map { $0 != result.before } ?? false
        }
        return written.isEmpty
            ? "nothing written" : "written before: \(written.map(\.name).joined(separator: ", "))"
    }
}
