import Foundation
import SutureFormats

extension Tokenizer {
    /// Reads a `tokenizer.json` of the `tokenizers` package.
    ///
    /// - Throws: ``TokenizerError`` that names the component which is malformed or not supported, or `FormatError` if
    ///   the file cannot be read or is not JSON.
    public convenience init(tokenizerJSON url: URL) throws {
        try self.init(Self.parts(tokenizerJSON: url))
    }

    /// Reads a Hugging Face snapshot directory: `tokenizer.json`, and the roles of special tokens from
    /// `tokenizer_config.json` if it is there.
    ///
    /// - Throws: as ``init(tokenizerJSON:)``.
    public convenience init(snapshot directory: URL) throws {
        try Self.checkFile(in: directory)
        var parts = try Self.parts(tokenizerJSON: directory.appending(path: "tokenizer.json"))
        let config = directory.appending(path: "tokenizer_config.json")
        if FileManager.default.fileExists(atPath: config.path) { try parts.readRoles(of: config) }
        parts.roles.named = try Self.stops(directory)
        try self.init(parts)
    }

    /// Throws for a tokenizer in other files alone, with the way to one that can be read.
    private static func checkFile(in directory: URL) throws {
        func has(_ name: String) -> Bool {
            FileManager.default.fileExists(atPath: directory.appending(path: name).path)
        }
        let known = ["tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tekken.json"]
        let others = known.filter(has)
        guard !has("tokenizer.json"), !others.isEmpty else { return }
        let folder = directory.relativePath
        throw TokenizerError(
            .unsupported, "the tokenizer is in files that are not read", subject: folder, expected: "tokenizer.json",
            found: others.joined(separator: ", "),
            hint:
                "transformers makes it of them: AutoTokenizer.from_pretrained(\"\(folder)\").save_pretrained(\"\(folder)\")"
        )
    }

    /// Reads the tokenizer of a model, wherever its files keep it.
    public convenience init(_ checkpoint: Checkpoint) throws {
        if let gguf = checkpoint.gguf {
            try self.init(gguf: gguf)
        } else {
            try self.init(snapshot: checkpoint.url)
        }
    }

    /// Reads the vocabulary in the metadata of a GGUF file.
    ///
    /// - Throws: ``TokenizerError`` if it is malformed or of a kind that is not supported, `FormatError` if a part is
    ///   missing.
    public convenience init(gguf file: GGUFFile) throws {
        try self.init(GGUFVocabularyReader(file).parts())
    }

    /// The end tokens of `generation_config.json`, else of `config.json`: where transformers stops.
    private static func stops(_ directory: URL) throws -> Set<Int>? {
        for name in ["generation_config.json", "config.json"] {
            let url = directory.appending(path: name)
            guard FileManager.default.fileExists(atPath: url.path) else { continue }
            let field = try JSONField(file: url)
            guard let ids = try field.optional("eos_token_id") else {
                // A file for generation is the only one that is read, if it is there.
                if name == "generation_config.json" { return nil }
                continue
            }
            return Set(ids.value.arrayValue == nil ? [try ids.int] : try ids.array.map { try $0.int })
        }
        return nil
    }

    private static func parts(tokenizerJSON url: URL) throws -> TokenizerParts {
        try TokenizerJSONReader(JSONField(file: url)).parts()
    }
}

extension JSONField {
    fileprivate init(file url: URL) throws {
        let file = try MappedFile(url)
        let json = try withExtendedLifetime(file) { try JSON.parse(file.bytes, source: file.name) }
        self.init(json, source: file.name)
    }
}

extension TokenizerParts {
    fileprivate mutating func readRoles(of url: URL) throws {
        let config = try JSONField(file: url)
        func role(_ key: ByteString, isNeeded: Bool = true) throws -> Int? {
            guard let field = try config.optional(key) else { return nil }
            // Old files have the token as an object with its settings.
            let content = try field.value.bytesValue ?? field.require("content").bytes
            guard let id = id(of: content) else {
                // Nothing is padded here, and transformers would add the token.
                if !isNeeded { return nil }
                throw TokenizerError(
                    .unknownToken, "a special token is not in the vocabulary", subject: field.path,
                    found: "\"\(content)\"")
            }
            return id
        }
        roles = TokenRoles(
            beginning: try role("bos_token"), end: try role("eos_token"),
            unknown: try role("unk_token") ?? roles.unknown, padding: try role("pad_token", isNeeded: false))
    }

    private func id(of content: ByteString) -> Int? {
        if let added = addedTokens.first(where: { ByteString($0.content) == content }) { return added.id }
        // A byte-level vocabulary is spelled in its own alphabet.
        var bytes: [UInt8] = []
        if case .bytes = model.symbols,
            content.bytes.withUnsafeBufferPointer({ ByteAlphabet.decode($0, into: &bytes) }),
            let id = model.tokens.id(of: bytes)
        {
            return id
        }
        return model.tokens.id(of: content.bytes)
    }
}
