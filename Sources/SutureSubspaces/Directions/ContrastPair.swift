import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// Two texts that differ in one quality: what has it, and what has it not or has its opposite.
public struct ContrastPair: Hashable, Sendable {
    public var positive: String
    public var negative: String

    /// A text with the quality, and one without.
    public init(positive: String, negative: String) {
        (self.positive, self.negative) = (positive, negative)
    }

    /// Reads pairs from JSON Lines, as repeng's `DatasetEntry` has them:
    ///
    ///     {"positive": "Act happy. I feel", "negative": "Act sad. I feel"}
    ///
    /// or the pairs of ``PromptPair/read(_:)``, of which the source is positive and the base negative: a vector leads to
    /// where a patch from source to base leads. Throws a ``SubspaceError`` or `FormatError` that names the line.
    public static func read(_ url: URL) throws -> [ContrastPair] {
        try JSONField.lines(
            of: url, expected: "lines such as {\"positive\": \"...\", \"negative\": \"...\"}"
        ) { field in
            guard try field.object["positive"] != nil || field.object["negative"] != nil else {
                let pair = try PromptPair(field)
                return ContrastPair(positive: pair.source.text, negative: pair.base.text)
            }
            return ContrastPair(
                positive: try field.require("positive").string, negative: try field.require("negative").string)
        }
    }

    /// The tokens of both texts. Throws ``SubspaceError`` with code `badTokens` for a text without tokens.
    public func tokens(_ tokenizer: Tokenizer) throws -> (positive: [Int], negative: [Int]) {
        (try Prompt(positive).tokens(tokenizer).ids, try Prompt(negative).tokens(tokenizer).ids)
    }
}

extension ContrastPair {
    /// Whether the pairs of a file are positive and negative texts, by its first line.
    public static func isContrast(_ url: URL) throws -> Bool {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        let first = file.text.split(separator: UInt8(ascii: "\n")).first { !$0.allSatisfy { $0 <= UInt8(ascii: " ") } }
        guard let first else { return false }
        let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: first), source: file.name)
        return json["positive"] != nil || json["negative"] != nil
    }
}

extension [ContrastPair] {
    /// The pairs as patching takes them: the negative text is the base, the positive one the source, and the answers are
    /// the tokens that the model finds most likely behind each. Pairs with one answer for both are left out, as no patch
    /// could be seen to act there.
    ///
    /// Throws ``SubspaceError`` for texts without tokens, and where no pair is left.
    public func answered(by model: LanguageModel, _ tokenizer: Tokenizer) throws -> [TokenizedPair] {
        let tokens = try map { try $0.tokens(tokenizer) }
        func said(_ texts: [[Int]]) throws -> [Int] {
            try Tensor.withoutGradients {
                try stride(from: 0, to: texts.count, by: 32).flatMap { start in
                    let batch: [[Int]] = texts.dropFirst(start).prefix(32).map(\.self)
                    return try model.run(batch).logits.argmax(1).ints()
                }
            }
        }
        let answers = zip(try said(tokens.map(\.negative)), try said(tokens.map(\.positive)))
        let pairs = zip(tokens, answers).filter { $1.0 != $1.1 }.map { text, answer in
            TokenizedPair(
                base: text.negative, source: text.positive, answer: answer.0, other: answer.1, baseLabel: "negative",
                sourceLabel: "positive")
        }
        guard !pairs.isEmpty else {
            throw SubspaceError(
                .badRequest, "the model says the same behind both texts of every pair", found: "\(count) pairs",
                hint: "end the texts where the next word tells them apart")
        }
        return pairs
    }
}

extension JSONField {
    /// What each line of a JSON Lines file says; blank ones say nothing.
    ///
    /// Throws a ``SubspaceError`` for a file without any, and what `read` throws.
    static func lines<Line>(of url: URL, expected: String, _ read: (JSONField) throws -> Line) throws -> [Line] {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        var found: [Line] = []
        let lines = file.text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() where !line.allSatisfy({ $0 <= UInt8(ascii: " ") }) {
            let place = "\(file.name), line \(number + 1)"
            let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: line), source: place)
            found.append(try read(JSONField(json, source: place)))
        }
        guard !found.isEmpty else {
            throw SubspaceError(
                .badFile, "there are no pairs in this file", subject: file.name, expected: expected)
        }
        return found
    }
}
