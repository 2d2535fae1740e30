import Foundation
import SutureFormats

/// The accuracies that a study has measured, kept beside its models: measuring, too, goes on where it was interrupted.
///
/// A patch is known by the digest of what it does and to what, so that another model's is another one.
final class StudyMemory {
    private let url: URL
    private var known: [String: Double]
    private var unsaved = 0

    init(in directory: URL) throws {
        url = directory.appending(path: "measurements.json")
        known = [:]
        guard FileManager.default.fileExists(atPath: url.path) else { return }
        do {
            known = try JSONDecoder().decode([String: Double].self, from: Data(MappedFile(url).copy()))
        } catch is DecodingError {
            throw SignatureError(
                .badRequest, "these are not the measurements of a study", subject: url.relativePath,
                hint: "remove the file, and they are made again")
        }
    }

    /// What is known under this name, or else what `measure` says.
    func value(_ name: String, _ measure: () throws -> Double) throws -> Double {
        if let value = known[name] { return value }
        let value = try measure()
        known[name] = value
        unsaved += 1
        if unsaved == 20 { try save() }
        return value
    }

    func save() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(Array(encoder.encode(known)), to: url, overwriting: true)
        unsaved = 0
    }
}
