import Foundation
import SutureRepair

/// What a model wrote, perhaps beside what it writes without its patches, and beside what was expected.
public struct GeneratedAnswer: Encodable, Sendable {
    let prompt, text: String
    let tokens: [Int]
    let original: String?
    let expectation: ExpectedAnswer?
    /// Whether it is the expected answer, where there is one.
    let met: Bool?

    /// An answer, and what it is held against.
    public init(
        prompt: String, text: String, tokens: [Int], original: String? = nil, expectation: ExpectedAnswer? = nil
    ) {
        (self.prompt, self.text, self.tokens) = (prompt, text, tokens)
        (self.original, self.expectation) = (original, expectation)
        met = expectation.map { $0.wrong == nil }
    }
}

extension Report {
    /// The page of an answer.
    public init(_ answer: GeneratedAnswer, title: String) throws {
        var blocks: [Block] = []
        if let original = answer.original {
            blocks.append(
                .comparison(
                    .init(
                        caption: "After: \(answer.prompt)", before: original, after: answer.text,
                        beforeTitle: "original", afterTitle: "patched")))
        }
        if let expectation = answer.expectation { blocks.append(.tokenStrip(Self.strip(expectation))) }
        try self.init(
            title: title, verdict: answer.expectation.map(Self.verdict), schema: "suture.generate/1", data: answer,
            blocks: blocks)
    }

    private static func verdict(_ answer: ExpectedAnswer) -> Verdict {
        guard let wrong = answer.wrong else { return .init(.good, "This is the expected answer.") }
        let chance = Numeral.percent(answer.tokens[wrong].probability)
        return .init(
            .bad,
            "Another answer from token \(wrong + 1) of \(answer.tokens.count) on: the expected one has \(chance).")
    }

    private static func strip(_ answer: ExpectedAnswer) -> TokenStrip {
        TokenStrip(
            caption: "The expected answer",
            tokens: answer.tokens.map { token in
                .init(
                    token.text, before: token.probability, after: nil,
                    state: token.instead == nil ? .unchanged : .wrong, instead: token.instead)
            })
    }
}
