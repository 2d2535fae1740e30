import Foundation
import SutureFormats

extension Tokenizer {
    /// Writes `tokenizer.json` and `tokenizer_config.json` into a snapshot directory, for other software to load.
    ///
    /// With ``init(gguf:)`` this converts the vocabulary of a GGUF file; the `tokenizers` package makes the same ids of
    /// it.
    ///
    /// - Throws: ``TokenizerError`` for a vocabulary that is not byte-level; `FormatError` if a file is there already
    ///   or cannot be written.
    public func write(toSnapshot directory: URL) throws {
        let files = [
            ("tokenizer.json", try TokenizerJSONWriter(self).tokenizerJSON()),
            ("tokenizer_config.json", TokenizerJSONWriter(self).configuration())
        ]
        for (name, json) in files {
            try AtomicFile.write(json.serialized(pretty: true), to: directory.appending(path: name))
        }
    }
}

/// Writes a byte-level tokenizer as the `tokenizers` package has it.
struct TokenizerJSONWriter {
    private let tokenizer: Tokenizer
    private let addedIDs: Set<Int>

    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        addedIDs = Set(tokenizer.addedTokens.map(\.id))
    }

    func tokenizerJSON() throws -> JSON {
        guard case .bytes = tokenizer.model.symbols else {
            throw TokenizerError(.unsupported, "only byte-level vocabularies can be written as tokenizer.json")
        }
        return [
            "version": "1.0", "truncation": nil, "padding": nil,
            "added_tokens": .array(tokenizer.addedTokens.map(addedToken)),
            "normalizer": Self.sequence(tokenizer.normalizers.map(normalizer), "normalizers"),
            "pre_tokenizer": preTokenizer(),
            "post_processor": Self.sequence(tokenizer.postProcessors.map(postProcessor), "processors"),
            "decoder": Self.byteLevel(trimsOffsets: true),
            "model": try model()
        ]
    }

    func configuration() -> JSON {
        var config = JSONObject()
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        config["clean_up_tokenization_spaces"] = false
        let roles = tokenizer.roles
        let named: [(ByteString, Int?)] = [
            ("bos_token", roles.beginning), ("eos_token", roles.end), ("unk_token", roles.unknown),
            ("pad_token", roles.padding)
        ]
        for (key, id) in named {
            if let id { config[key] = .string(name(of: id)) }
        }
        return .object(config)
    }

    private func model() throws -> JSON {
        var vocabulary = JSONObject()
        for id in 0..<tokenizer.model.tokens.idCount where tokenizer.model.tokens.token(id) != nil {
            guard vocabulary[name(of: id)] == nil else {
                throw TokenizerError(
                    .conflictingTokens, "two ids have one token, which tokenizer.json cannot hold",
                    subject: "token \(id)", found: "\"\(name(of: id))\" again")
            }
            vocabulary[name(of: id)] = JSON(id)
        }
        let merges = tokenizer.model.merges.sorted().map { left, right in
            JSON.array([.string(name(of: Int(left))), .string(name(of: Int(right)))])
        }
        return [
            "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
            "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": JSON(tokenizer.model.ignoresMerges), "vocab": .object(vocabulary),
            "merges": .array(merges)
        ]
    }

    /// A token in the alphabet of bytes; one that is not found by its bytes, or as an added token, is written as it is.
    private func name(of id: Int) -> ByteString {
        let token = tokenizer.token(id) ?? []
        let isFound = tokenizer.model.tokens.id(of: token) == id && !addedIDs.contains(id)
        return ByteString(isFound ? ByteAlphabet.encode(token) : token)
    }

    private func addedToken(_ token: AddedToken) -> JSON {
        [
            "id": JSON(token.id), "content": JSON(token.content), "single_word": JSON(token.isSingleWord),
            "lstrip": JSON(token.stripsLeft), "rstrip": JSON(token.stripsRight),
            "normalized": JSON(token.isNormalized), "special": JSON(token.isSpecial)
        ]
    }

    private func normalizer(_ normalizer: Normalizer) -> JSON {
        switch normalizer {
        case .compose: ["type": "NFC"]
        case .prepend(let text): ["type": "Prepend", "prepend": .string(ByteString(text))]
        case .replace(let pattern, let content):
            [
                "type": "Replace", "pattern": ["String": .string(ByteString(pattern.bytes))],
                "content": .string(ByteString(content))
            ]
        }
    }

    private func preTokenizer() -> JSON {
        var steps: [JSON] = []
        var addsPrefixSpace = false
        for step in tokenizer.preTokenizers {
            switch step {
            case .pattern(let pattern):
                steps.append([
                    "type": "Split", "pattern": ["Regex": JSON(pattern.regularExpression)],
                    "behavior": pattern.keepsRest ? "Isolated" : "Removed", "invert": JSON(!pattern.keepsRest)
                ])
            case .behind(let mark):
                steps.append([
                    "type": "Split", "pattern": ["String": .string(ByteString(mark.bytes))],
                    "behavior": "MergedWithPrevious", "invert": false
                ])
            case .digits(let individually): steps.append(["type": "Digits", "individual_digits": JSON(individually)])
            case .spacePrefix: addsPrefixSpace = true
            case .metaspace: break
            }
        }
        steps.append(Self.byteLevel(addsPrefixSpace: addsPrefixSpace, trimsOffsets: true))
        return Self.sequence(steps, "pretokenizers")
    }

    private func postProcessor(_ processor: PostProcessor) -> JSON {
        switch processor {
        case .trimOffsets(let addsPrefixSpace):
            return Self.byteLevel(addsPrefixSpace: addsPrefixSpace, trimsOffsets: true)
        case .template(let before, let after):
            func piece(_ id: Int) -> JSON { ["SpecialToken": ["id": .string(name(of: id)), "type_id": 0]] }
            func text(_ name: String, _ type: Int) -> JSON { ["Sequence": ["id": JSON(name), "type_id": JSON(type)]] }
            var specials = JSONObject()
            for id in before + after {
                let name = JSON.string(name(of: id))
                specials[self.name(of: id)] = ["id": name, "ids": [JSON(id)], "tokens": [name]]
            }
            let single = before.map(piece) + [text("A", 0)] + after.map(piece)
            return [
                "type": "TemplateProcessing", "single": .array(single),
                "pair": .array(single + before.map(piece) + [text("B", 1)] + after.map(piece)),
                "special_tokens": .object(specials)
            ]
        }
    }

    private static func byteLevel(addsPrefixSpace: Bool = false, trimsOffsets: Bool) -> JSON {
        [
            "type": "ByteLevel", "add_prefix_space": JSON(addsPrefixSpace), "trim_offsets": JSON(trimsOffsets),
            "use_regex": false
        ]
    }

    private static func sequence(_ steps: [JSON], _ key: ByteString) -> JSON {
        switch steps.count {
        case 0: nil
        case 1: steps[0]
        default: ["type": "Sequence", key: .array(steps)]
        }
    }
}
