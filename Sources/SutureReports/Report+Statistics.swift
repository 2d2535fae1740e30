import Foundation

/// What was read of reference texts and written to a file.
public struct ReadTexts: Encodable, Sendable {
    /// One of the statistics, and how large it is.
    public struct Content: Encodable, Sendable {
        let what: String
        let bytes: Int

        /// What was computed, in words.
        public init(what: String, bytes: Int) { (self.what, self.bytes) = (what, bytes) }
    }

    let model, file: String
    let texts, tokens: Int
    let contents: [Content]

    /// What a file holds of a model, and of how many texts.
    public init(model: String, file: String, texts: Int, tokens: Int, contents: [Content]) {
        (self.model, self.file, self.texts, self.tokens, self.contents) = (model, file, texts, tokens, contents)
    }
}

extension Report {
    /// What was written, and of what.
    public init(_ read: ReadTexts) throws {
        try self.init(
            title: "Statistics", subtitle: read.model, schema: "suture.statistics-made/1", data: read,
            blocks: [
                .facts(
                    [Fact("File", read.file), Fact("Texts", "\(read.texts), of \(read.tokens) tokens")]
                        + read.contents.map { Fact($0.what, String(format: "%.1f MB", Double($0.bytes) / 1e6)) })
            ])
    }
}
