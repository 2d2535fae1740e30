import Foundation

/// What was written of a model's activations.
public struct RecordedActivations: Encodable, Sendable {
    /// A site and the width of its values.
    public struct Recorded: Encodable, Sendable {
        let site: String
        let width: Int

        /// A site of a width.
        public init(_ site: String, width: Int) { (self.site, self.width) = (site, width) }
    }

    let model, file: String
    let texts, rows: Int
    let sites: [Recorded]

    /// What is in a file, with one row for each text or token.
    public init(model: String, file: String, texts: Int, rows: Int, sites: [Recorded]) {
        (self.model, self.file, self.texts, self.rows, self.sites) = (model, file, texts, rows, sites)
    }
}

extension Report {
    /// What was written, and how to load it.
    public init(_ recorded: RecordedActivations) throws {
        let isArray = recorded.file.lowercased().hasSuffix(".npy")
        try self.init(
            title: "Activations", subtitle: recorded.model, schema: "suture.activations/1", data: recorded,
            blocks: [
                .facts(
                    [Fact("File", recorded.file), Fact("Texts", "\(recorded.texts)")]
                        + recorded.sites.map { Fact($0.site, "float32 [\(recorded.rows), \($0.width)]") }
                        + [
                            Fact(
                                "Load it",
                                isArray
                                    ? "numpy.load(\"\(recorded.file)\")"
                                    : "safetensors.numpy.load_file(\"\(recorded.file)\")")
                        ])
            ])
    }
}
