import SutureFormats

/// Reads the vocabulary of a GGUF file: byte-level BPE (`gpt2`) or SentencePiece-style BPE (`llama`).
struct GGUFVocabularyReader {
    private let file: GGUFFile
    private let tokens: [ByteString]
    private let kinds: [Int]

    /// Kinds of tokens, `tokenizer.ggml.token_type`.
    private enum Kind {
        static let normal = 1
        static let unknown = 2
        static let control = 3
        static let userDefined = 4
    }

    init(_ file: GGUFFile) throws {
        self.file = file
        tokens = try file.strings("tokenizer.ggml.tokens")
        kinds =
            file.metadata["tokenizer.ggml.token_type"] == nil
            ? Array(repeating: Kind.normal, count: tokens.count) : try file.ints("tokenizer.ggml.token_type")
        try Self.check(kinds.count, tokens.count, "tokenizer.ggml.token_type", file)
        guard tokens.count <= VocabularyReader.idLimit else {
            throw TokenizerError(
                .idOutOfRange, "there are too many tokens", subject: file.file.name,
                expected: "at most \(VocabularyReader.idLimit)", found: "\(tokens.count)")
        }
    }

    func parts() throws -> TokenizerParts {
        switch try file.string("tokenizer.ggml.model") {
        case "gpt2": return try byteLevelParts()
        case "llama": return try sentencePieceParts()
        case let name:
            throw TokenizerError(
                .unsupported, "the vocabulary \"\(name)\" is not supported", subject: subject("tokenizer.ggml.model"),
                expected: "\"gpt2\" or \"llama\"")
        }
    }

    private func byteLevelParts() throws -> TokenizerParts {
        let key: ByteString = "tokenizer.ggml.pre"
        let scheme = try GGUFPreTokenizer(
            named: file.metadata[key] == nil ? nil : file.string(key), subject: subject(key))
        var builder = try filledBuilder(isByteLevel: true)
        for (rank, merge) in try file.strings("tokenizer.ggml.merges").enumerated() {
            func position() -> String { "\(subject("tokenizer.ggml.merges"))[\(rank)]" }
            guard let blank = merge.bytes.firstIndex(of: UInt8(ascii: " ")) else {
                throw TokenizerError(.malformed, "a merge is not two tokens", subject: position(), expected: "\"a b\"")
            }
            try checkUTF8(merge, at: position())
            let (left, right) = (merge.bytes[..<blank], merge.bytes[(blank + 1)...])
            if let missing = builder.insertMerge(left, right, rank: rank) {
                throw TokenizerError(
                    .unknownToken, "a merge names a token that the vocabulary does not have", subject: position(),
                    found: "\"\(missing)\"")
            }
        }
        let model = try builder.model(
            unknown: nil, fuseUnknown: false, byteFallback: false, ignoresMerges: scheme.ignoresMerges,
            subject: file.file.name)
        var decoder = TokenDecoder()
        decoder.isByteLevel = true
        return try TokenizerParts(
            model: model, normalizers: scheme.normalizers, preTokenizers: scheme.preTokenizers,
            postProcessors: template(addsBeginning: scheme.addsBeginning), decoder: decoder, addedTokens: addedTokens(),
            roles: roles())
    }

    private func sentencePieceParts() throws -> TokenizerParts {
        let scores = try file.doubles("tokenizer.ggml.scores")
        try Self.check(scores.count, tokens.count, "tokenizer.ggml.scores", file)
        var builder = try filledBuilder(isByteLevel: false)
        builder.insertMerges(
            byScore: zip(scores, kinds).map { score, kind in
                kind == Kind.normal && score.isFinite ? Float(score) : nil
            })
        let roles = try roles()
        let model = try builder.model(
            unknown: roles.unknown.map(Int32.init), fuseUnknown: true, byteFallback: true, ignoresMerges: false,
            subject: file.file.name)
        let mark = Array("▁".utf8)
        let blank = [UInt8(ascii: " ")]
        let addsPrefix = try flag("tokenizer.ggml.add_space_prefix", default: true)
        return try TokenizerParts(
            model: model,
            normalizers: (addsPrefix ? [.prepend(mark)] : []) + [.replace(BytePattern(blank), with: mark)],
            postProcessors: template(addsBeginning: true),
            decoder: TokenDecoder(
                replacement: (mark, blank), decodesByteTokens: true, strip: addsPrefix ? (blank, 1) : nil),
            addedTokens: addedTokens(), roles: roles)
    }

    private func filledBuilder(isByteLevel: Bool) throws -> BPEBuilder {
        var builder = BPEBuilder(isByteLevel: isByteLevel, capacity: tokens.count)
        for (id, token) in tokens.enumerated() {
            try checkUTF8(token, at: "\(subject("tokenizer.ggml.tokens"))[\(id)]")
            _ = builder.insert(token.bytes, id: id)
        }
        return builder
    }

    /// The metadata of a GGUF file may hold any bytes; reading scalars needs UTF-8.
    private func checkUTF8(_ text: ByteString, at position: @autoclosure () -> String) throws {
        guard text.bytes.contains(where: { $0 >= 0x80 }), String(validating: text.bytes, as: UTF8.self) == nil else {
            return
        }
        throw TokenizerError(.malformed, "a token is not UTF-8", subject: position())
    }

    private func addedTokens() -> [AddedToken] {
        zip(tokens, kinds).enumerated().compactMap { id, entry in
            let (token, kind) = entry
            guard !token.bytes.isEmpty, [Kind.unknown, Kind.control, Kind.userDefined].contains(kind) else {
                return nil
            }
            return AddedToken(id: id, content: token.string, isSpecial: kind != Kind.userDefined)
        }
    }

    private func template(addsBeginning: Bool) throws -> [PostProcessor] {
        let roles = try roles()
        let addsBeginning = try flag("tokenizer.ggml.add_bos_token", default: addsBeginning)
        let addsEnd = try flag("tokenizer.ggml.add_eos_token", default: false)
        let before = addsBeginning ? roles.beginning.map { [$0] } ?? [] : []
        let after = addsEnd ? roles.end.map { [$0] } ?? [] : []
        return before.isEmpty && after.isEmpty ? [] : [.template(before: before, after: after)]
    }

    private func roles() throws -> TokenRoles {
        func role(_ name: String) throws -> Int? {
            let key = ByteString("tokenizer.ggml.\(name)_token_id")
            guard file.metadata[key] != nil else { return nil }
            let id = try file.int(key)
            guard tokens.indices.contains(id) else {
                throw TokenizerError(
                    .idOutOfRange, "there is no token with this id", subject: subject(key),
                    expected: "less than \(tokens.count)", found: "\(id)")
            }
            return id
        }
        // Behind any of these llama.cpp ends its answer.
        let ends = try ["eos", "eot", "eom"].compactMap { try role($0) }
        return TokenRoles(
            beginning: try role("bos"), end: try role("eos"), unknown: try role("unknown"),
            padding: try role("padding"), named: try ends == [role("eos")] || ends.isEmpty ? nil : Set(ends))
    }

    private func flag(_ key: ByteString, default fallback: Bool) throws -> Bool {
        guard let value = file.metadata[key] else { return fallback }
        guard let flag = value.boolValue else {
            throw TokenizerError(.malformed, "wrong type of a value", subject: subject(key), expected: "a boolean")
        }
        return flag
    }

    private func subject(_ key: ByteString) -> String { "\(file.file.name): \(key)" }

    private static func check(_ count: Int, _ expected: Int, _ key: ByteString, _ file: GGUFFile) throws {
        guard count == expected else {
            throw TokenizerError(
                .malformed, "there is not one value for each token", subject: "\(file.file.name): \(key)",
                expected: "\(expected)", found: "\(count)")
        }
    }
}
