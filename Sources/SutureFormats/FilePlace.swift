import Foundation

/// Where a path leads: a file or folder that is there, or the place of one that is not, whatever links are on the way.
struct FilePlace {
    /// A file, by whatever name.
    struct Identity: Hashable {
        let device, number: UInt64

        init(_ status: stat) { (device, number) = (UInt64(truncatingIfNeeded: status.st_dev), UInt64(status.st_ino)) }

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            self.init(status)
        }
    }

    /// The file type bits of `st_mode`, or nil where there is nothing.
    private let type: mode_t?
    private let identity: Identity?
    /// Without links, dots and doubled slashes.
    let path: String

    /// - Throws: ``FormatError`` where links lead in a circle, or a folder on the way is missing or is none.
    init(_ url: URL, for access: FormatError.Access) throws {
        path = try Self.resolved(url.path, name: url.relativePath, access)
        var status = stat()
        let exists = stat(path, &status) == 0
        type = exists ? status.st_mode & S_IFMT : nil
        identity = exists ? Identity(status) : nil
    }

    var exists: Bool { type != nil }
    var isFolder: Bool { type == S_IFDIR }
    var isRegular: Bool { type == S_IFREG }
    var parent: String { (path as NSString).deletingLastPathComponent }

    /// Whether both are one file, or would be.
    func isSame(as other: FilePlace) -> Bool {
        if let identity, let its = other.identity { return identity == its }
        return path == other.path
    }

    /// Whether this lies in a folder, at any depth.
    func lies(in folder: FilePlace) -> Bool {
        guard let identity = folder.identity, folder.isFolder else { return false }
        var path = path
        while path != "/" {
            path = (path as NSString).deletingLastPathComponent
            if Identity(path) == identity { return true }
        }
        return false
    }

    /// The path without links; that of a missing file by its folder, and that of a link to nothing by what it names.
    private static func resolved(
        _ path: String, name: String, _ access: FormatError.Access, links: Int = 0
    ) throws -> String {
        func failure() -> FormatError { .system(access, "cannot be \(access == .reading ? "read" : "written")", name) }
        func real(_ path: String) -> String? {
            guard let found = realpath(path, nil) else { return nil }
            defer { free(found) }
            return String(cString: found)
        }
        if let path = real(path) { return path }
        guard errno == ENOENT, links < 40 else { throw failure() }
        let folder = (path as NSString).deletingLastPathComponent
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
            let next = target.hasPrefix("/") ? target : "\(folder)/\(target)"
            return try resolved(next, name: name, access, links: links + 1)
        }
        guard let folder = real(folder) else { throw failure() }
        return (folder as NSString).appendingPathComponent((path as NSString).lastPathComponent)
    }
}
