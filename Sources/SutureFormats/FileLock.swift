import Foundation

/// Locks on open files, which end with the process at the latest: who holds one is alive.
enum FileLock {
    /// Takes the lock of an open file; false where another process has it.
    ///
    /// Where a file system knows no locks, everybody gets one: two processes at one place are then not told apart.
    static func take(_ descriptor: Int32) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            return errno != EWOULDBLOCK
        }
        return true
    }

    /// Whether the open file still has this name: a lock on a file without its name is none.
    static func isNamed(_ descriptor: Int32, _ path: String) -> Bool {
        var (own, named) = (stat(), stat())
        return fstat(descriptor, &own) == 0 && lstat(path, &named) == 0 && own.st_ino == named.st_ino
            && own.st_dev == named.st_dev
    }

    static func busy(_ name: String) -> FormatError {
        FormatError(
            .busy, "another process is writing to this place", subject: name,
            hint: "wait for it, or choose another name")
    }
}
