import Testing

@testable import SutureTasks

@Suite("What a prompt asks")
struct QuestionTests {
    /// Each character is a token.
    private func question(_ prompt: String, opening: Int = 0) -> String {
        let tokens = prompt.unicodeScalars.map { Int($0.value) }
        let failure = TokenizedFailure(prompt: tokens, answer: [0], opening: opening)
        return String(String.UnicodeScalarView(failure.prompt[failure.question].compactMap { UnicodeScalar($0) }))
    }

    @Test(
        "is what the last part does not share with the examples before it",
        arguments: [
            ("# ask: sort it\n$ sort f\n\n# ask: count lines\n$", "count lines"),
            ("# ask: sort it\n$ sort f\n\n# ask: go up\n$ cd ..\n\n# ask: where am I\n$", "where am I"),
            ("Q: 2+3?\nA: 5\n\nQ: 40*9?\nA:", "40*9"),
            // What both questions begin with is shared, too.
            ("# find a\nls\n\n# find some of them\n", "some of them")
        ])
    func examples(prompt: String, expected: String) {
        #expect(question(prompt) == expected)
        #expect(question("^" + prompt, opening: 1) == expected)
    }

    @Test(
        "is the middle where there are no examples",
        arguments: [
            ("The capital of Wales is", "capital of Wales"), ("abcde", "bcd"), ("ab", "a"), ("a", "")
        ])
    func middle(prompt: String, expected: String) {
        #expect(question(prompt) == expected)
    }

    /// Each word is a token.
    private func question(ofWords prompt: String) -> String {
        let words = prompt.split(separator: " ").map(String.init)
        let tokens = words.map { word in words.firstIndex(of: word) ?? 0 }
        let question = TokenizedFailure.question(in: tokens[...]) { words[$0].hasPrefix("<") }
        return words[question].joined(separator: " ")
    }

    @Test(
        "is told from an instruction and examples, and in a chat",
        arguments: [
            ("put it in bash : ; # list all files ; $ ls ; # count lines of a ; $", "count lines of a"),
            // Without a header of two tokens nothing tells; a few at both ends are left.
            ("France = Paris . Wales =", "= Paris . Wales"),
            ("<s> user / how many files <e> / <s> assistant /", "how many files"),
            ("<s> system / you are a friend <e> / <s> user / how many files <e> / <s> assistant /", "how many files"),
            ("<s> user / # list it all ; $ ls ; # count the lines ; $ <e> / <s> assistant /", "count the lines"),
            ("<i> how many files are here </i>", "how many files are here"),
            ("<s> The capital of Wales is not far from", "of Wales is not far")
        ])
    func frames(prompt: String, expected: String) {
        #expect(question(ofWords: prompt) == expected)
    }

    @Test("is found in a long prompt in no time")
    func long() {
        #expect(!TokenizedFailure(prompt: Array(repeating: 7, count: 100_000), answer: [0]).question.isEmpty)
        let mixed = (0..<100_000).map { $0 % 3 == 0 ? 1 : $0 % 7 }
        #expect(!TokenizedFailure(prompt: mixed, answer: [0]).question.isEmpty)
    }

    @Test("is given where it is known, and nothing of nothing")
    func given() {
        let failure = TokenizedFailure(prompt: [1, 2, 3, 4, 5, 6], answer: [7], question: 1..<3)
        #expect(failure.question == 1..<3)
        #expect(TokenizedFailure(prompt: [], answer: [], opening: 3).question.isEmpty)
    }
}
