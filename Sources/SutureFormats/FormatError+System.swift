import Foundation

extension FormatError {
    /// What the system was asked for.
    enum Access { case reading, writing }

    /// What an error number of the system means here: the one place that says so, for files that are read and written.
    ///
    /// A file that cannot be read is a bad input, a place that cannot be is a bad request; both are so before any work is
    /// done. What a disk, a quota or a limit ends is a failure.
    static func system(_ access: Access, _ problem: String, _ subject: String, _ number: Int32 = errno) -> FormatError {
        func error(_ code: Code, hint: String? = nil) -> FormatError {
            FormatError(code, "\(problem): \(String(cString: strerror(number)))", subject: subject, hint: hint)
        }
        switch (number, access) {
        case (EMFILE, _), (ENFILE, _):
            return error(.systemFailed, hint: "too many files are open: `ulimit -n` tells and raises the limit")
        case (ENOMEM, _), (EAGAIN, _), (EIO, _): return error(.systemFailed)
        case (ENOENT, .reading): return FormatError(.missingFile, "there is no such file", subject: subject)
        case (EISDIR, .reading), (ENXIO, .reading), (ENODEV, .reading):
            return FormatError(.notARegularFile, "not a regular file", subject: subject)
        case (ELOOP, .reading): return error(.cannotRead, hint: "links lead in a circle")
        case (_, .reading): return error(.cannotRead)
        case (ENOENT, .writing):
            return FormatError(.badPlace, "there is no such directory to write into", subject: subject)
        case (ELOOP, .writing): return error(.badPlace, hint: "links lead in a circle")
        case (ENOTDIR, .writing), (EISDIR, .writing), (ENAMETOOLONG, .writing), (ENXIO, .writing):
            return error(.badPlace, hint: "name another place")
        case (ENOSPC, .writing): return error(.cannotWrite, hint: "make room there, or name another place")
        case (EDQUOT, .writing):
            return error(.cannotWrite, hint: "your quota there is used up: make room, or name another place")
        case (EFBIG, .writing):
            return error(.cannotWrite, hint: "`ulimit -f` or the file system limits how large files may become")
        case (EROFS, .writing), (EACCES, .writing), (EPERM, .writing):
            return error(.badPlace, hint: "name a place where you may write")
        case (_, .writing): return error(.cannotWrite)
        }
    }

    /// What Foundation threw, as an error of ours with a path and a reason.
    public init(foundation error: any Error) {
        let thrown = error as NSError
        let cause = thrown.userInfo[NSUnderlyingErrorKey] as? NSError ?? thrown
        let path = thrown.userInfo[NSFilePathErrorKey] as? String ?? (thrown.userInfo[NSURLErrorKey] as? URL)?.path
        let isWriting = (512..<1024).contains(thrown.code) && thrown.domain == NSCocoaErrorDomain
        let subject = path ?? "the system"
        let problem = "cannot be \(isWriting ? "written" : "read")"
        if cause.domain == NSPOSIXErrorDomain {
            self = .system(isWriting ? .writing : .reading, problem, subject, Int32(cause.code))
        } else if thrown.domain == NSCocoaErrorDomain, [4, 260].contains(thrown.code) {
            self = .system(.reading, problem, subject, ENOENT)
        } else {
            self.init(.systemFailed, problem, subject: subject, found: "\(thrown.domain) \(thrown.code)")
        }
    }
}
