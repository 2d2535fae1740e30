import Foundation

/// Directions that a study learned, in a folder: one that was interrupted goes on with them.
struct KeptDirections {
    /// Nil keeps nothing.
    let folder: URL?

    /// The direction of this name, or else what `learn` learns, which is then kept.
    ///
    /// Throws ``SubspaceError`` with code `badFile` for one that is there and is damaged, or was learned at another place or
    /// with other options.
    func direction(
        _ name: String, at location: Location, options: [String: Double], learn: () throws -> Subspace
    ) throws -> Subspace {
        let file = folder?.appending(path: name + ".safetensors")
        if let file, FileManager.default.fileExists(atPath: file.path) {
            func refused(_ problem: String, _ found: String? = nil) -> SubspaceError {
                SubspaceError(
                    .badFile, problem, subject: file.relativePath, expected: found.map { _ in "\(location)" },
                    found: found, hint: "name another directory, or remove the file")
            }
            guard let kept = try? Subspace(contentsOf: file) else { throw refused("this kept direction is damaged") }
            guard kept.location == location else {
                throw refused("this direction is of another place", "\(kept.location)")
            }
            guard kept.options == options else { throw refused("this direction was learned with other options") }
            return kept
        }
        let found = try learn()
        if let file { try found.write(to: file) }
        return found
    }
}
