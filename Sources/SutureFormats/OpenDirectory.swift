import Foundation

/// A directory in which names change, to be synced so that the change is on the disk, too.
///
/// It is opened before the change: where too many files are open, nothing has happened yet.
final class OpenDirectory {
    private let descriptor: Int32
    private let name: String

    /// - Parameters:
    ///   - url: the directory.
    ///   - name: what errors name.
    init(_ url: URL, name: String) throws {
        self.name = name
        descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FormatError.system(.writing, "cannot be put in its place", name) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func sync() throws {
        // Some file systems cannot sync a directory and say so with EINVAL; their names are on the disk already.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw FormatError.system(.writing, "cannot be synced", name)
        }
    }
}
