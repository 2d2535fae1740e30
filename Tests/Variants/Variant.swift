import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureTokenizers

/// Model files with one to three things wrong that a reader has to understand to see: a rank, a name, a count, a type, a
/// key, a value. The random numbers decide which.
public struct Variant {
    /// What is wrong.
    public let description: String
    private let draft: Draft

    private enum Draft {
        case gguf(GGUFDraft)
        case snapshot(SnapshotDraft)
        case tokenizer(JSON)
    }

    /// Right files, made once.
    public struct Seeds: Sendable {
        fileprivate let ggufs: [(name: String, draft: GGUFDraft)]
        fileprivate let snapshots: [(name: String, draft: SnapshotDraft)]
        fileprivate let tokenizers: [(name: String, json: JSON)]

        public init() throws {
            ggufs = try GGUFDraft.names.map { ($0, try .seed($0)) }
            snapshots = try SnapshotDraft.names.map { ($0, try .seed($0)) }
            tokenizers = try FileManager.default.contentsOfDirectory(atPath: Goldens.url("tokenizers").path).sorted()
                .filter { $0.hasSuffix(".json") && !$0.contains("golden") }
                .map { ($0, try JSON.parse(contentsOf: Goldens.url("tokenizers/\($0)"), duplicateKeys: .keep)) }
                .filter { $0.1["model"] != nil }
        }
    }

    /// The variant that the random numbers make.
    public init?(of seeds: Seeds, _ random: inout some RandomNumberGenerator) {
        let count = [1, 1, 1, 2, 3].randomElement(using: &random) ?? 1
        func mutated<Value>(_ value: Value, _ step: (inout Value) -> String) -> (Value, String) {
            var value = value
            let said = (0..<count).map { _ in step(&value) }
            return (value, said.joined(separator: "; "))
        }
        switch Int.random(in: 0..<5, using: &random) {
        case 0, 1:
            guard let seed = seeds.ggufs.randomElement(using: &random) else { return nil }
            let (draft, said) = mutated(seed.draft) { $0.mutate(&random) }
            self.init(description: "GGUF \(seed.name): \(said)", draft: .gguf(draft))
        case 2, 3:
            guard let seed = seeds.snapshots.randomElement(using: &random) else { return nil }
            let (draft, said) = mutated(seed.draft) { $0.mutate(&random) }
            self.init(description: "snapshot \(seed.name): \(said)", draft: .snapshot(draft))
        default:
            guard let seed = seeds.tokenizers.randomElement(using: &random) else { return nil }
            let (json, said) = mutated(seed.json) { $0.mutate(&random) }
            self.init(description: "tokenizer \(seed.name): \(said)", draft: .tokenizer(json))
        }
    }

    private init(description: String, draft: Draft) {
        (self.description, self.draft) = (description, draft)
    }

    /// Writes the files into an empty directory and uses them as commands do.
    ///
    /// - Throws: what says no to them; ``VariantFault`` if what says yes is not to be trusted.
    public func use(in directory: URL) throws {
        switch draft {
        case .gguf(let draft):
            let url = directory.appending(path: "model.gguf")
            try Data(draft.serialized()).write(to: url)
            try Use(of: url, spare: directory.appending(path: "converted")).model()
        case .snapshot(let draft):
            let url = directory.appending(path: "model")
            try draft.write(to: url)
            try Use(of: url, spare: directory.appending(path: "converted")).model()
        case .tokenizer(let json):
            let url = directory.appending(path: "tokenizer.json")
            try Data(json.serialized()).write(to: url)
            try Use.check(Tokenizer(tokenizerJSON: url))
        }
    }
}

/// What went wrong without an error.
public struct VariantFault: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension Variant {
    /// Says what is wrong with an error as an answer to bad files: another exit code than 2 to 4, or no clear line.
    public static func fault(in error: any Error) -> String? {
        guard let diagnostic = error as? any Diagnostic else { return "an error of another kind: \(error)" }
        let line = diagnostic.description
        if diagnostic.kind == .failed { return "exit code 1: \(line)" }
        if line.isEmpty || line.contains(where: \.isNewline) || line.utf8.count > 3000 {
            return "no clear line: \(line)"
        }
        let ofTheProgram = ["Optional(", "Error(", "INTERNAL ASSERT", "NSCocoa", "c10::"]
        return ofTheProgram.contains { line.contains($0) } ? "not our words: \(line)" : nil
    }
}
