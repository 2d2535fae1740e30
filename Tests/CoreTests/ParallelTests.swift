import SutureCore
import Testing

@Suite("Work on several threads")
struct ParallelTests {
    private struct Wrong: Error, Equatable {
        let number: Int
    }

    @Test("gives results in order", arguments: [0, 1, 7, 1000], [1, 2, 64])
    func order(count: Int, threads: Int) throws {
        #expect(try Parallel.map(Array(0..<count), threads: threads) { $0 * $0 } == (0..<count).map { $0 * $0 })
    }

    @Test("throws what the first of the failing elements throws")
    func errors() {
        for _ in 0..<50 {
            #expect(throws: Wrong(number: 3)) {
                try Parallel.map(Array(0..<64), threads: 4) { number in
                    if number >= 3 { throw Wrong(number: number) }
                }
            }
        }
    }
}
