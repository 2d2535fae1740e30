import Foundation
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureSubspaces

@Suite("Answers and roles inside their prompts")
struct PromptPairTests {
    /// SentencePiece vocabularies put a space before a text: alone, " the" has two of them.
    private static let names = ["llama2", "metaspace", "gemma", "gpt2", "smollm"]

    private func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(tokenizerJSON: Goldens.url("tokenizers/\(name).json"))
    }

    @Test("an answer is the token that continues the prompt", arguments: names)
    func answers(name: String) throws {
        let rival = name == "gemma" ? " in" : " a"
        let tokenizer = try tokenizer(name)
        let base = "This is what they said to"
        let pair = PromptPair(base: Prompt(base), source: Prompt(base), answer: " the", other: rival)
        let tokens = try TokenizedPair(pair, tokenizer)
        for (token, text) in [(tokens.answer, " the"), (tokens.other, rival)] {
            #expect(tokenizer.encode(base + text, specials: .opening).ids == tokens.base + [token])
        }
        var wrong = pair
        wrong.answer = " qzxqzxvk"
        let error = #expect(throws: SubspaceError.self) { try TokenizedPair(wrong, tokenizer) }
        #expect(error?.found?.hasSuffix("tokens") == true && error?.hint?.contains("choose") == true)
    }

    @Test("a hint of the space is given only where the space helps")
    func hint() throws {
        let pair = PromptPair(
            base: Prompt("This is what they said to"), source: Prompt("a"), answer: "ofthe", other: " a")
        let error = #expect(throws: SubspaceError.self) { try TokenizedPair(pair, tokenizer("gpt2")) }
        #expect(error?.hint?.contains("space") == false)
    }

    @Test("a role's word is a range of its prompt, as often as it stands there", arguments: names)
    func roles(name: String) throws {
        let tokenizer = try tokenizer(name)
        let text = "the other day the others said"
        for (word, occurrence) in [("the", 1), ("the", 3), (" the", 1), ("others", 1), ("the other", 2)] {
            let prompt = Prompt(text, roles: ["word": .init(word, occurrence: occurrence)])
            let (ids, roles) = try prompt.tokens(tokenizer)
            let range = try #require(roles["word"])
            #expect(ids == tokenizer.encode(text, specials: .opening).ids)
            // The tokens hold the word, and no more than what shares a token with it.
            #expect(tokenizer.decode(Array(ids[range])).contains(word.trimmingCharacters(in: .whitespaces)))
            for less in [range.dropFirst(), range.dropLast()] where !less.isEmpty {
                #expect(!tokenizer.decode(Array(ids[less])).contains(word.trimmingCharacters(in: .whitespaces)))
            }
        }
        #expect(throws: SubspaceError.self) {
            try Prompt(text, roles: ["word": .init("the", occurrence: 9)]).tokens(tokenizer)
        }
    }
}
