import SutureTasks
import Testing

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

    @Test("is not the one token that comes back in a chat")
    func chat() {
        // <start> user, line break, three words, <end>, line break, <start> assistant, line break
        let failure = TokenizedFailure(prompt: [1, 50, 10, 70, 71, 72, 2, 10, 1, 51, 10], answer: [0])
        #expect(failure.question == 2..<10)
    }

    @Test("is given where it is known, and nothing of nothing")
    func given() {
        let failure = TokenizedFailure(prompt: [1, 2, 3, 4, 5, 6], answer: [7], question: 1..<3)
        #expect(failure.question == 1..<3)
        #expect(TokenizedFailure(prompt: [], answer: [], opening: 3).question.isEmpty)
    }
}
