import SutureSubspaces
import Testing

@Suite("Pairs from which nothing can be learned")
struct ShuffledTests {
    /// Facts without labels: each base says its own answer, and each source the other.
    private let facts = [
        (base: [1, 10], source: [1, 20], answer: 100, other: 200),
        (base: [1, 20], source: [1, 30], answer: 200, other: 300),
        (base: [1, 30], source: [1, 11], answer: 300, other: 100),
        (base: [1, 11], source: [1, 40], answer: 100, other: 400),
        (base: [1, 50], source: [1, 10], answer: 500, other: 100)
    ]

    @Test(
        "without labels sources call for the base's own answer, and a base that has none is its own", arguments: 0..<8)
    func answers(seed: UInt64) throws {
        let pairs = facts.map { TokenizedPair(base: $0.base, source: $0.source, answer: $0.answer, other: $0.other) }
        // What each prompt calls for.
        var said: [[Int]: Int] = [:]
        for fact in facts { (said[fact.base], said[fact.source]) = (fact.answer, fact.other) }
        let shuffled = Directions.shuffled(pairs, seed: seed)
        for (pair, made) in zip(pairs, shuffled) {
            #expect(made.base == pair.base && made.answer == pair.answer && made.target == pair.target)
            #expect(said[made.source] == pair.answer)
        }
        #expect(shuffled[0].source == [1, 11] && shuffled[3].source == [1, 10] && shuffled[4].source == [1, 50])
    }

    @Test("with labels sources are bases of the same label")
    func labels() {
        let pairs = (0..<6).map { index in
            TokenizedPair(
                base: [index, 1], source: [index, 2], answer: index, other: 9, baseLabel: index % 2 == 0 ? "a" : "b",
                sourceLabel: index % 2 == 0 ? "b" : "a")
        }
        for (index, made) in Directions.shuffled(pairs, seed: 3).enumerated() {
            #expect(made.source[1] == 1 && made.source[0] % 2 == index % 2 && made.source[0] != index)
        }
    }
}
