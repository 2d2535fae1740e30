import Foundation

/// Directions that a study learned, in a folder: one that was interrupted goes on with them.
struct KeptDirections {
    /// Nil keeps nothing.
    let folder: URL?

    /// The direction of this name, or else what `learn` learns, which is then kept.
    ///
    /// Throws ``SubspaceError`` with code `badFile` for one that is there and was learned at another place, or with other options.
    func direction(
        _ name: String, at location: Location, options: [String: Double], learn: () throws -> Subspace
    ) throws -> Subspace {
        let file = folder?.appending(path: name + ".safetensors")
        if let file, FileManager.default.fileExists(atPath: file.path) {
            let kept = try Subspace(contentsOf: file)
            guard kept.location == location, kept.options == options else {
                throw SubspaceError(
                    .badFile, "this direction was learned with other options", subject: file.relativePath,
                    hint: "name another directory, or remove the file")
            }
            return kept
        }
        let found = try learn()
        if let file { try found.write(to: file) }
        return found
    }
}
