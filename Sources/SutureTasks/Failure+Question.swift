extension TokenizedFailure {
    /// Which tokens of a prompt ask for its answer, told by how the prompt is built.
    ///
    /// Of a chat it is the last turn that says something. Behind examples it is what the last part does not share with
    /// them. Without either nothing in the tokens tells; then a few at both ends are taken for the frame.
    ///
    /// - Parameters:
    ///   - prompt: token ids; places are those of the slice.
    ///   - isSpecial: whether a token is one of those that no text has, which a chat's turns stand between.
    static func question(in prompt: ArraySlice<Int>, isSpecial: (Int) -> Bool = { _ in false }) -> Range<Int> {
        let turns = prompt.split(omittingEmptySubsequences: false, whereSeparator: isSpecial)
        guard let turn = turns.last(where: { $0.count > 4 }) ?? turns.last, let end = turns.last else { return 0..<0 }
        if turn.startIndex == end.startIndex { return behindExamples(turn) ?? between(turn) }
        // Turns that name who speaks do so in one token before a line break.
        let isNamed = end.count > 1 && turn[turn.startIndex + 1] == end[end.startIndex + 1]
        let said = turn.dropFirst(isNamed ? 2 : 0)
        return behindExamples(said) ?? said.startIndex..<said.endIndex
    }

    /// The longest end of the prompt that occurs before closes an example, and the question ends where it begins again.
    ///
    /// The question begins behind what is repeated of the prompt's beginning, or, where that is no example, behind the first
    /// tokens that occur before the example's end as well as behind it.
    private static func behindExamples(_ prompt: ArraySlice<Int>) -> Range<Int>? {
        let tokens = Array(prompt)
        let count = tokens.count
        let ends = sharedStarts(tokens.reversed())
        // Of equal ones the last, here and below.
        guard let example = (1..<max(1, count)).reversed().max(by: { ends[count - $0] < ends[count - $1] }) else {
            return nil
        }
        let shared = ends[count - example]
        let end = count - shared
        guard shared > 0, example < end else { return nil }
        func question(from start: Int) -> Range<Int> { prompt.startIndex + start..<prompt.startIndex + end }

        let starts = sharedStarts(tokens)
        if let start = (example..<end).reversed().max(by: { starts[$0] < starts[$1] }) {
            let start = start + starts[start]
            // No question is a word or two: what is repeated there are not examples.
            if end - start > 2 { return question(from: start) }
        }
        guard shared > 1,
            let header = firstShared(tokens[example..<end], with: tokens[..<(example - shared)], atLeast: 2),
            header.upperBound < end
        else { return nil }
        return question(from: header.upperBound)
    }

    private static func between(_ prompt: ArraySlice<Int>) -> Range<Int> {
        let count = prompt.count
        let end = max(0, count - max(1, min(4, count / 6)))
        return prompt.startIndex + min(4, count / 4, end)..<prompt.startIndex + end
    }

    /// How many tokens from each place on are those that the list begins with, in linear time (the Z function).
    private static func sharedStarts(_ tokens: [Int]) -> [Int] {
        var lengths = [Int](repeating: 0, count: tokens.count)
        var known = 0..<0
        for place in tokens.indices.dropFirst() {
            var length = known.contains(place) ? min(known.upperBound - place, lengths[place - known.lowerBound]) : 0
            while place + length < tokens.count, tokens[length] == tokens[place + length] { length += 1 }
            if place + length > known.upperBound { known = place..<place + length }
            lengths[place] = length
        }
        return lengths
    }

    /// The first tokens of `part`, as many as there are together, that `other` has, too; nil for parts too long to be a question.
    private static func firstShared(
        _ part: ArraySlice<Int>, with other: ArraySlice<Int>, atLeast least: Int
    ) -> Range<Int>? {
        let other = other.suffix(512)
        guard part.count <= 512 else { return nil }
        for start in part.indices {
            let longest = other.indices.map { zip(other[$0...], part[start...]).prefix { $0 == $1 }.count }.max() ?? 0
            if longest >= least { return start..<start + longest }
        }
        return nil
    }
}
