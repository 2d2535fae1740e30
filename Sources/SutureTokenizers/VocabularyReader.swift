import SutureFormats

/// The `model` of a `tokenizer.json`: tokens and merges.
struct VocabularyReader {
    private let field: JSONField
    private let builder: BPEBuilder
    let unknown: Int32?

    /// One past the highest id that a vocabulary can have; the largest in use have a few hundred thousand tokens.
    static let idLimit = 1 << 22

    init(_ field: JSONField, isByteLevel: Bool) throws {
        self.field = field
        try Self.checkSettings(field)
        let tokens = try field.require("vocab")
        var builder = BPEBuilder(isByteLevel: isByteLevel, capacity: try tokens.object.count)
        for (token, value) in try tokens.object {
            guard let id = value.intValue else {
                throw TokenizerError(
                    .malformed, "the id of \"\(token)\" is not an integer", subject: tokens.path)
            }
            _ = try Self.checkedID(id, subject: tokens.path)
            guard builder.insert(token.bytes, id: id) else {
                throw TokenizerError(
                    .conflictingTokens, "two tokens have the id \(id)", subject: tokens.path,
                    found: "\"\(builder.name(of: id) ?? "")\" and \"\(token)\"")
            }
        }
        unknown = try field.optional("unk_token").map { token in
            guard let id = builder.id(of: try token.bytes.bytes) else {
                throw TokenizerError(
                    .unknownToken, "the unknown token is not in the vocabulary", subject: token.path,
                    found: "\"\(try token.string)\"")
            }
            return Int32(id)
        }
        self.builder = builder
    }

    func id(of token: ByteString) -> Int? { builder.id(of: token.bytes) }
    func name(of id: Int) -> ByteString? { builder.name(of: id) }

    static func checkedID(_ id: Int, subject: String) throws -> Int {
        guard 0..<idLimit ~= id else {
            throw TokenizerError(
                .idOutOfRange, "a token has an impossible id", subject: subject, expected: "0 to \(idLimit - 1)",
                found: "\(id)")
        }
        return id
    }

    /// The model with its merges.
    func model() throws -> BPE {
        var builder = builder
        let merges = try field.require("merges")
        guard let list = merges.value.arrayValue else {
            throw TokenizerError(.malformed, "the merges are no list", subject: merges.path)
        }
        for (rank, merge) in list.enumerated() {
            try insert(merge, rank: rank, into: &builder, path: merges.path)
        }
        return try builder.model(
            unknown: unknown, fuseUnknown: field.optional("fuse_unk")?.bool ?? false,
            byteFallback: field.optional("byte_fallback")?.bool ?? false,
            ignoresMerges: field.optional("ignore_merges")?.bool ?? false, subject: field.path)
    }

    /// A merge is `"a b"` or `["a", "b"]`.
    private func insert(_ merge: JSON, rank: Int, into builder: inout BPEBuilder, path: String) throws {
        let missing: ByteString?
        switch merge {
        case .string(let text):
            let blanks = text.bytes.indices.filter { text.bytes[$0] == UInt8(ascii: " ") }
            guard blanks.count == 1 else { throw malformed(rank, path) }
            missing = builder.insertMerge(text.bytes[..<blanks[0]], text.bytes[(blanks[0] + 1)...], rank: rank)
        case .array(let halves):
            guard halves.count == 2, let left = halves[0].bytesValue, let right = halves[1].bytesValue else {
                throw malformed(rank, path)
            }
            missing = builder.insertMerge(left.bytes[...], right.bytes[...], rank: rank)
        default: throw malformed(rank, path)
        }
        if let missing {
            throw TokenizerError(
                .unknownToken, "a merge names a token that the vocabulary does not have", subject: "\(path)[\(rank)]",
                found: "\"\(missing)\"")
        }
    }

    private func malformed(_ rank: Int, _ path: String) -> TokenizerError {
        TokenizerError(
            .malformed, "a merge is not two tokens", subject: "\(path)[\(rank)]",
            expected: #""a b" or ["a", "b"]"#)
    }

    private static func checkSettings(_ field: JSONField) throws {
        // Files written before there were other models do not name theirs.
        if let type = try field.optional("type")?.string, type != "BPE" {
            throw TokenizerJSONReader.unsupported("model", type, at: field)
        }
        if let dropout = try field.optional("dropout"), try dropout.double != 0 {
            throw TokenizerError(.unsupported, "dropout of merges is not supported", subject: dropout.path)
        }
        for key: ByteString in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = try field.optional(key), !(try affix.bytes.bytes.isEmpty) {
                throw TokenizerJSONReader.unsupported("\(key)", try affix.string, at: affix)
            }
        }
    }
}
