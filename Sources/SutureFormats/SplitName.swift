import Foundation

/// The name of one of several files that are one model: `model-00002-of-00003.safetensors`.
struct SplitName {
    let stem: String
    let number, count: Int

    init?(_ name: String) {
        let parts = (name.split(separator: ".").first ?? "").split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 2] == "of", let count = Int(parts[parts.count - 1]),
            let number = Int(parts[parts.count - 3]), count > 0
        else { return nil }
        (self.number, self.count) = (number, count)
        stem = parts.dropLast(3).joined(separator: "-")
    }

    /// Throws unless all files of each model that was split are there.
    static func checkComplete(_ names: [String], in url: URL) throws {
        let split = Dictionary(grouping: names.compactMap(SplitName.init)) { "\($0.stem)-of-\($0.count)" }
        for files in split.values {
            let found = Set(files.map(\.number))
            guard let count = files.first?.count, let missing = (1...count).first(where: { !found.contains($0) }) else {
                continue
            }
            throw FormatError(
                .missingFile, "a weight file is missing", subject: url.relativePath,
                expected: "\(count) files, by their names", found: "none with number \(missing)", hint: "fetch it again"
            )
        }
    }
}
