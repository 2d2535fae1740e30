import Foundation

extension FileManager {
    /// Makes a directory, and those that it lies in, unless they are there.
    ///
    /// - Throws: ``FormatError`` where the system cannot, or where something else is there.
    package func makeDirectory(_ url: URL) throws {
        // Nothing may come back into a folder that an interruption has removed.
        try Interruption.settle { try makeDirectories(url) }
    }

    private func makeDirectories(_ url: URL) throws {
        func failure(_ number: Int32 = errno) -> FormatError {
            .system(.writing, "cannot be made", url.relativePath, number)
        }
        if mkdir(url.path, 0o777) == 0 { return }
        switch errno {
        case EEXIST:
            var isDirectory: ObjCBool = false
            guard fileExists(atPath: url.path, isDirectory: &isDirectory), isDirectory.boolValue else {
                throw failure(ENOTDIR)
            }
        case ENOENT where url.path != "/":
            try makeDirectories(url.deletingLastPathComponent())
            // Somebody else may have been faster.
            guard mkdir(url.path, 0o777) == 0 || errno == EEXIST else { throw failure() }
        default: throw failure()
        }
    }

    /// What is in a directory, in the order of names.
    ///
    /// - Throws: ``FormatError`` for a directory that cannot be read, or none.
    package func names(in url: URL) throws -> [String] {
        guard let directory = opendir(url.path) else {
            throw FormatError.system(.reading, "cannot be read", url.relativePath)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// All that is below a directory but directories, by relative path; links are not followed.
    package func files(below url: URL) throws -> [String] {
        try names(in: url).flatMap { name -> [String] in
            var status = stat()
            let part = url.appending(path: name)
            guard lstat(part.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return [name] }
            return try files(below: part).map { "\(name)/\($0)" }
        }
    }
}
