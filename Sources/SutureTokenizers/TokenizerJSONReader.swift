import SutureFormats

/// Reads the components of a `tokenizer.json`; what it does not know is an error that names it.
struct TokenizerJSONReader {
    private let root: JSONField

    init(_ root: JSONField) {
        self.root = root
    }

    /// `truncation` and `padding` are not read: they are settings of a call, and `transformers` overrides them.
    func parts() throws -> TokenizerParts {
        var isByteLevel = false
        let preTokenizers = try root.optional("pre_tokenizer").map { try self.preTokenizers($0, &isByteLevel) } ?? []
        let normalizers = try root.optional("normalizer").map(self.normalizers) ?? []
        let vocabulary = try VocabularyReader(root.require("model"), isByteLevel: isByteLevel)
        var decoder = try root.optional("decoder").map(self.decoder) ?? TokenDecoder(separator: [UInt8(ascii: " ")])
        let addedTokens = try root.optional("added_tokens").map { try self.addedTokens($0, vocabulary) } ?? []
        if decoder.isByteLevel, !isByteLevel { decoder.isByteLevel = false }
        let postProcessors = try root.optional("post_processor").map(self.postProcessors) ?? []
        for case .template(let before, let after) in postProcessors {
            for id in before + after
            where vocabulary.name(of: id) == nil && !addedTokens.contains(where: { $0.id == id }) {
                throw TokenizerError(
                    .idOutOfRange, "there is no token with this id", subject: "\(root.path): post_processor",
                    found: "\(id)")
            }
        }
        return try TokenizerParts(
            model: vocabulary.model(), normalizers: normalizers, preTokenizers: preTokenizers,
            postProcessors: postProcessors, decoder: decoder, addedTokens: addedTokens,
            roles: TokenRoles(unknown: vocabulary.unknown.map(Int.init)))
    }

    /// The `type` of a component.
    private func type(of component: JSONField) throws -> String {
        try component.require("type").string
    }

    static func unsupported(_ what: String, _ name: String, at field: JSONField) -> TokenizerError {
        TokenizerError(.unsupported, "\(what) \"\(name)\" is not supported", subject: field.path)
    }

    /// The members of a `Sequence`, or the component itself.
    private func flattened(_ component: JSONField, _ key: ByteString) throws -> [JSONField] {
        guard try type(of: component) == "Sequence" else { return [component] }
        return try component.require(key).array.flatMap { try flattened($0, key) }
    }
}

// MARK: Before the model

extension TokenizerJSONReader {
    private func normalizers(_ component: JSONField) throws -> [Normalizer] {
        try flattened(component, "normalizers").map { component in
            switch try type(of: component) {
            case "NFC": return .compose
            case "Prepend": return .prepend(try component.require("prepend").bytes.bytes)
            case "Replace":
                return .replace(
                    BytePattern(try literalPattern(of: component)), with: try component.require("content").bytes.bytes)
            case let name: throw Self.unsupported("normalizer", name, at: component)
            }
        }
    }

    /// The text to look for, of a component that could have a regular expression instead.
    private func literalPattern(of component: JSONField) throws -> [UInt8] {
        let pattern = try component.require("pattern")
        if let expression = try pattern.optional("Regex") {
            throw Self.unsupported("the regular expression", try expression.string, at: pattern)
        }
        return try pattern.require("String").bytes.bytes
    }

    private func preTokenizers(_ component: JSONField, _ isByteLevel: inout Bool) throws -> [PreTokenizer] {
        var result: [PreTokenizer] = []
        for component in try flattened(component, "pretokenizers") {
            let name = try type(of: component)
            if isByteLevel { throw Self.unsupported("a pre-tokenizer after \"ByteLevel\",", name, at: component) }
            switch name {
            case "Digits":
                result.append(.digits(individually: try component.require("individual_digits").bool))
            case "Split":
                result.append(try split(component))
            case "ByteLevel":
                isByteLevel = true
                if try component.require("add_prefix_space").bool { result.append(.spacePrefix) }
                if try component.optional("use_regex")?.bool ?? true { result.append(.pattern(.gpt2)) }
            case "Metaspace":
                result.append(
                    .metaspace(
                        replacement: try metaspaceMark(component),
                        prefix: try metaspacePrefix(component),
                        splits: try component.optional("split")?.bool ?? true))
            default: throw Self.unsupported("pre-tokenizer", name, at: component)
            }
        }
        return result
    }

    private func split(_ component: JSONField) throws -> PreTokenizer {
        let pattern = try component.require("pattern")
        let behavior = try component.require("behavior").string
        let inverts = try component.require("invert").bool
        func unsupportedBehavior() -> TokenizerError {
            Self.unsupported("inverted \(inverts) split behavior", behavior, at: component)
        }
        guard let expression = try pattern.optional("Regex")?.string else {
            let mark = try pattern.require("String").bytes.bytes
            guard (behavior, inverts) == ("MergedWithPrevious", false), !mark.isEmpty else {
                throw unsupportedBehavior()
            }
            return .behind(BytePattern(mark))
        }
        guard (behavior, inverts) == ("Isolated", false) || (behavior, inverts) == ("Removed", true) else {
            throw unsupportedBehavior()
        }
        if let known = SplitPattern(regularExpression: expression) { return .pattern(known) }
        var other = try SplitExpressionParser.expression(expression, subject: pattern.path)
        other.keepsRest = !inverts
        return .pattern(.expression(other))
    }

    /// What stands for a space: one scalar, as the reference has it.
    private func metaspaceMark(_ component: JSONField) throws -> [UInt8] {
        let field = try component.require("replacement")
        let mark = try field.string
        guard mark.unicodeScalars.count == 1 else {
            throw TokenizerError(
                .malformed, "what stands for a space is not one character", subject: field.path, found: "\"\(mark)\"")
        }
        return Array(mark.utf8)
    }

    private func metaspacePrefix(_ component: JSONField) throws -> PreTokenizer.MetaspacePrefix {
        guard let field = try component.optional("prepend_scheme") else {
            return try component.optional("add_prefix_space")?.bool ?? true ? .always : .never
        }
        guard let scheme = try PreTokenizer.MetaspacePrefix(rawValue: field.string) else {
            throw Self.unsupported("prepend scheme", try field.string, at: field)
        }
        return scheme
    }
}

// MARK: After the model

extension TokenizerJSONReader {
    private func postProcessors(_ component: JSONField) throws -> [PostProcessor] {
        try flattened(component, "processors").compactMap { component in
            switch try type(of: component) {
            case "ByteLevel":
                guard try component.require("trim_offsets").bool else { return nil }
                return .trimOffsets(addsPrefixSpace: try component.require("add_prefix_space").bool)
            case "TemplateProcessing": return try template(component)
            case let name: throw Self.unsupported("post-processor", name, at: component)
            }
        }
    }

    private func template(_ component: JSONField) throws -> PostProcessor {
        let specials = try component.require("special_tokens")
        var (before, after): ([Int], [Int]) = ([], [])
        var sequences = 0
        for piece in try component.require("single").array {
            if let token = try piece.optional("SpecialToken") {
                let ids = try specials.require(token.require("id").bytes).require("ids").array.map {
                    try VocabularyReader.checkedID($0.int, subject: $0.path)
                }
                if sequences == 0 { before += ids } else { after += ids }
            } else {
                _ = try piece.require("Sequence")
                sequences += 1
            }
        }
        guard sequences == 1 else {
            throw TokenizerError(
                .malformed, "the template for one text does not have the text once", subject: component.path,
                found: "\(sequences) times")
        }
        return .template(before: before, after: after)
    }

    private func decoder(_ component: JSONField) throws -> TokenDecoder {
        var decoder = TokenDecoder()
        // What each step needs not to have come before it.
        var lastStep = 0
        var isFused = false
        func advance(to step: Int, _ name: String, _ component: JSONField) throws {
            guard step > lastStep else { throw Self.unsupported("in this order, decoder", name, at: component) }
            lastStep = step
        }
        for component in try flattened(component, "decoders") {
            let name = try type(of: component)
            switch name {
            case "Replace":
                try advance(to: 1, name, component)
                decoder.replacement = (
                    try literalPattern(of: component), try component.require("content").bytes.bytes
                )
            case "Metaspace":
                try advance(to: 1, name, component)
                decoder.replacement = (try metaspaceMark(component), [UInt8(ascii: " ")])
                decoder.dropsReplacementInFirst = try metaspacePrefix(component) != .never
            case "ByteFallback":
                try advance(to: 2, name, component)
                decoder.decodesByteTokens = true
            case "Fuse":
                try advance(to: 3, name, component)
                isFused = true
            case "Strip":
                try advance(to: 4, name, component)
                guard isFused, try component.require("stop").int == 0 else {
                    throw Self.unsupported("at the end of tokens, decoder", name, at: component)
                }
                let count = try component.require("start").int
                let content = try component.require("content").bytes.bytes
                guard !content.isEmpty else { throw Self.unsupported("of no content, decoder", name, at: component) }
                decoder.strip = (content, count)
            case "ByteLevel":
                try advance(to: 5, name, component)
                guard lastStep == 5, decoder.isPlain else {
                    throw Self.unsupported("after another decoder,", name, at: component)
                }
                decoder.isByteLevel = true
            default: throw Self.unsupported("decoder", name, at: component)
            }
        }
        return decoder
    }
}

// MARK: Added tokens

extension TokenizerJSONReader {
    private func addedTokens(_ list: JSONField, _ vocabulary: VocabularyReader) throws -> [AddedToken] {
        var owners: [Int: ByteString] = [:]
        return try list.array.map { field in
            let content = try field.require("content").bytes
            let id = try VocabularyReader.checkedID(field.require("id").int, subject: field.path)
            if let owner = owners.updateValue(content, forKey: id) ?? vocabulary.name(of: id), owner != content {
                throw TokenizerError(
                    .conflictingTokens, "two tokens have the id \(id)", subject: field.path,
                    found: "\"\(owner)\" and \"\(content)\"")
            }
            if let other = vocabulary.id(of: content), other != id {
                throw TokenizerError(
                    .conflictingTokens, "the token \"\(content)\" has two ids", subject: field.path,
                    found: "\(other) in the vocabulary, \(id) here")
            }
            return AddedToken(
                id: id, content: content.string,
                isSpecial: try field.require("special").bool,
                isSingleWord: try field.require("single_word").bool,
                stripsLeft: try field.require("lstrip").bool,
                stripsRight: try field.require("rstrip").bool,
                isNormalized: try field.require("normalized").bool)
        }
    }
}
