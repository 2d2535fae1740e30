import Foundation
import SutureFormats

/// Turns text into the token ids of a model, and back.
///
/// ```swift
/// let tokenizer = try Tokenizer(tokenizerJSON: URL(filePath: "model/tokenizer.json"))
/// let ids = tokenizer.encode("The capital of France is").ids
/// let text = tokenizer.decode(ids)
/// ```
///
/// Byte-pair encodings are supported, over bytes (GPT-2, CodeGen, GPT-NeoX, StarCoder, Phi, Llama 3, Qwen 2, SmolLM) and
/// over scalars with byte fallback (Llama 2, CodeLlama, Gemma), with ids and offsets equal to those of the `tokenizers` package. Everything else is an error
/// that names what is not supported.
public final class Tokenizer: Sendable {
    let model: BPE
    let normalizers: [Normalizer]
    let preTokenizers: [PreTokenizer]
    let postProcessors: [PostProcessor]
    let decoder: TokenDecoder

    /// The tokens that are recognized when they are written in a text, by id.
    public let addedTokens: [AddedToken]
    /// The special tokens by their roles.
    public let roles: TokenRoles
    /// One more than the highest id.
    public let vocabularySize: Int

    private let addedByID: [Int: AddedToken]
    private let addedBytes: [Int: [UInt8]]
    private let addedIDs: [ByteString: Int]
    private let addedToText: AddedTokenMatcher
    private let addedToNormalizedText: AddedTokenMatcher

    /// Throws ``TokenizerError`` with code `tooLarge` for parts that no tokenizer in use has.
    init(_ parts: TokenizerParts) throws {
        try parts.checkGrowth()
        model = parts.model
        normalizers = parts.normalizers
        preTokenizers = parts.preTokenizers
        postProcessors = parts.postProcessors
        roles = parts.roles
        addedTokens = parts.addedTokens.sorted { $0.id < $1.id }
        vocabularySize = max(model.tokens.idCount, (addedTokens.last?.id ?? -1) + 1)
        addedByID = Dictionary(addedTokens.map { ($0.id, $0) }) { first, _ in first }
        addedIDs = Dictionary(addedTokens.map { (ByteString($0.content), $0.id) }) { first, _ in first }
        let normalizers = normalizers
        func normalized(_ token: AddedToken) -> [UInt8] {
            token.isNormalized ? normalizers.normalized(Array(token.content.utf8)) : Array(token.content.utf8)
        }
        addedBytes = addedByID.mapValues { Array($0.content.utf8) }
        addedToText = AddedTokenMatcher(addedTokens.filter { !$0.isNormalized }, pattern: normalized)
        addedToNormalizedText = AddedTokenMatcher(addedTokens.filter(\.isNormalized), pattern: normalized)
        decoder = parts.decoder.with(addedTokens: addedTokens, pattern: normalized)
    }
}

/// What a tokenizer is made of, as its file has it.
struct TokenizerParts {
    var model: BPE
    var normalizers: [Normalizer] = []
    var preTokenizers: [PreTokenizer] = []
    var postProcessors: [PostProcessor] = []
    var decoder: TokenDecoder
    var addedTokens: [AddedToken] = []
    var roles = TokenRoles()
}

extension TokenizerParts {
    /// How much longer than itself a text may become, and how many steps may be taken to it.
    private static let growthLimit = 64.0
    private static let stepLimit = 64
    /// How many bytes all added tokens may have, as they are sought.
    private static let addedLimit = 1 << 22

    /// Throws for steps whose work on a text would be out of all proportion to it.
    fileprivate func checkGrowth() throws {
        func check(_ what: String, _ value: Double, _ limit: Double) throws {
            guard value > limit else { return }
            throw TokenizerError(
                .tooLarge, what, expected: "at most \(Int(limit))", found: String(format: "%.0f", value))
        }
        try check(
            "there are too many normalizers and pre-tokenizers", Double(normalizers.count + preTokenizers.count),
            Double(Self.stepLimit))
        let grown = normalizers.map(\.growth).reduce(1, *)
        try check(
            "the normalizers and pre-tokenizers can make a text too many times as long",
            grown * preTokenizers.map(\.growth).reduce(1, *), Self.growthLimit)
        try check(
            "the decoder can make a token too many times as long", decoder.growth, Self.growthLimit)
        let added = addedTokens.map { Double($0.content.utf8.count) * ($0.isNormalized ? grown : 1) }
        try check("the added tokens can have too many bytes", added.reduce(0, +), Double(Self.addedLimit))
    }
}

/// The ids of the special tokens by their roles; `nil` where the files name none.
public struct TokenRoles: Sendable, Equatable {
    public var beginning: Int?
    public var end: Int?
    public var unknown: Int?
    public var padding: Int?
    /// The tokens behind which generation stops, if the model names them; else it is ``end``.
    var named: Set<Int>?

    /// The tokens behind which generation stops.
    public var stops: Set<Int> { named ?? end.map { [$0] } ?? [] }
}

// MARK: The vocabulary

extension Tokenizer {
    /// The bytes of a token, as they stand in a text; `nil` if no token has this id.
    ///
    /// A token of a byte-level vocabulary need not be UTF-8. In a vocabulary over scalars `▁` stands for a space.
    public func token(_ id: Int) -> [UInt8]? {
        if let added = addedBytes[id] { return added }
        return model.tokens.token(id).map { Array($0) }
    }

    /// The id of the token with these bytes.
    public func id(of token: some Sequence<UInt8>) -> Int? {
        let bytes = Array(token)
        return addedIDs[ByteString(bytes)] ?? model.tokens.id(of: bytes)
    }

    /// The id of the token with this text, `tokenizer.id(of: "<|im_end|>")`.
    public func id(of token: String) -> Int? {
        id(of: token.utf8)
    }
}

// MARK: Encoding

extension Tokenizer {
    /// The tokens of `text`.
    ///
    /// ``addedTokens`` that are written in the text, special ones too, become their ids. Nothing is put before or after
    /// unless `specials` says so.
    public func encode(_ text: String, specials: SpecialTokens = .none) -> Encoding {
        var text = text
        return text.withUTF8 { encode($0, specials) }
    }

    private func encode(_ text: UTF8Bytes, _ specials: SpecialTokens) -> Encoding {
        var encoding = Encoding()
        var work = Work()
        for part in addedToText.split(text) {
            switch part {
            case .token(let id, let range): encoding.append(id, range)
            case .text(let range):
                encode(AlignedText(UTF8Bytes(rebasing: text[range]), start: range.lowerBound), &encoding, &work)
            }
        }
        for processor in postProcessors {
            switch processor {
            case .trimOffsets(let addsPrefixSpace):
                encoding.trimOffsets(in: text, addsPrefixSpace: addsPrefixSpace, token: tokenToTrim)
            case .template(let before, let after):
                switch specials {
                case .none: break
                case .asConfigured: encoding.surround(with: before, after)
                case .opening: if !encoding.ids.starts(with: before) { encoding.surround(with: before, []) }
                }
            }
        }
        return encoding
    }

    /// Memory that one call uses again and again.
    private struct Work {
        var symbols: [BPE.Symbol] = []
        var pieces: [Range<Int>] = []
    }

    private func encode(_ source: AlignedText, _ encoding: inout Encoding, _ work: inout Work) {
        var text = source
        normalizers.apply(to: &text)
        for part in text.bytes.withUnsafeBufferPointer(addedToNormalizedText.split) {
            switch part {
            case .token(let id, let range): encoding.append(id, text.source(of: range))
            case .text(let range): encodePlain(text.slice(range), &encoding, &work)
            }
        }
    }

    private func encodePlain(_ source: AlignedText, _ encoding: inout Encoding, _ work: inout Work) {
        var text = source
        work.pieces.removeAll(keepingCapacity: true)
        work.pieces.append(0..<text.bytes.count)
        for step in preTokenizers { step.apply(to: &text, &work.pieces) }
        text.bytes.withUnsafeBufferPointer { bytes in
            for piece in work.pieces {
                model.encode(UTF8Bytes(rebasing: bytes[piece]), into: &work.symbols)
                var end = piece.lowerBound
                for symbol in work.symbols {
                    let range = piece.lowerBound + Int(symbol.start)..<piece.lowerBound + Int(symbol.end)
                    if end < range.lowerBound { encoding.lose(text.source(of: end..<range.lowerBound)) }
                    encoding.append(Int(symbol.id), text.source(of: range))
                    end = range.upperBound
                }
                if end < piece.upperBound { encoding.lose(text.source(of: end..<piece.upperBound)) }
            }
        }
    }

    private func tokenToTrim(_ id: Int) -> (bytes: ArraySlice<UInt8>, spaces: Encoding.SpaceKind)? {
        if let added = addedBytes[id] { return (added[...], .whiteSpace) }
        return model.tokens.token(id).map { ($0, .blanks) }
    }
}

extension Encoding {
    fileprivate mutating func append(_ id: Int, _ range: Range<Int>) {
        ids.append(id)
        offsets.append(range)
    }

    fileprivate mutating func lose(_ range: Range<Int>) {
        if let last = lost.last, last.upperBound >= range.lowerBound {
            lost[lost.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        } else {
            lost.append(range)
        }
    }

    fileprivate mutating func surround(with before: [Int], _ after: [Int]) {
        ids = before + ids + after
        let empty = 0..<0
        offsets = before.map { _ in empty } + offsets + after.map { _ in empty }
    }
}

// MARK: Decoding

extension Tokenizer {
    /// The text of `ids`.
    ///
    /// What is not UTF-8 becomes U+FFFD, and so does an id that no token has. Special tokens may be left out.
    public func decode(_ ids: [Int], skippingSpecials: Bool = false) -> String {
        var stream = StreamingDecoder(self, skippingSpecials: skippingSpecials)
        var text = ""
        for id in ids { text += stream.append(id) }
        return text + stream.finish()
    }

    /// Whether a token is one of those that stand for no text, such as the end of a text or of a turn of a chat.
    public func isSpecial(_ id: Int) -> Bool {
        addedByID[id]?.isSpecial ?? false
    }
}
