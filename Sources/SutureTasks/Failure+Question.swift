extension TokenizedFailure {
    /// Which tokens of a prompt ask for its answer, told by how the prompt is built.
    ///
    /// Behind examples it is what the last part does not share with them: up to the longest end of the prompt that occurs
    /// before, too, and from where the prompt's beginning is repeated for the last time. Without examples nothing in the
    /// tokens tells; then a few at both ends are taken for the frame.
    static func question(in prompt: ArraySlice<Int>) -> Range<Int> {
        let tokens = Array(prompt)
        let found = behindExamples(tokens) ?? between(tokens)
        return prompt.startIndex + found.lowerBound..<prompt.startIndex + found.upperBound
    }

    private static func behindExamples(_ tokens: [Int]) -> Range<Int>? {
        func sharedEnd(_ end: Int) -> Int {
            zip(tokens[..<end].reversed(), tokens.reversed()).prefix { $0 == $1 }.count
        }
        func sharedStart(_ start: Int) -> Int { zip(tokens[start...], tokens).prefix { $0 == $1 }.count }
        // Of equal ones the last.
        guard let examples = tokens.indices.dropFirst().reversed().max(by: { sharedEnd($0) < sharedEnd($1) }) else {
            return nil
        }
        let end = tokens.count - sharedEnd(examples)
        guard end < tokens.count, examples < end,
            let start = (examples..<end).reversed().max(by: { sharedStart($0) < sharedStart($1) })
        else { return nil }
        let question = start + sharedStart(start)
        // No question is a word or two: what is repeated there are not examples.
        return end - question > 2 ? question..<end : nil
    }

    private static func between(_ tokens: [Int]) -> Range<Int> {
        let count = tokens.count
        let end = count - max(1, min(4, count / 6))
        return min(4, count / 4, max(0, end))..<max(0, end)
    }
}
