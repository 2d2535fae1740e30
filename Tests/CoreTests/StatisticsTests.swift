import SutureCore
import Testing

@Suite("Random numbers and intervals")
struct StatisticsTests {
    @Test("the generator gives the published numbers of SplitMix64")
    func splitMix() {
        var random = SeededGenerator(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317 && random.next() == 3_203_168_211_198_807_973)
    }

    @Test("a shuffle keeps every element, and numbers stay below their bound", arguments: [1, 2, 3, 1000])
    func shuffle(count: Int) {
        var random = SeededGenerator(seed: 1)
        #expect(random.shuffled(Array(0..<count)).sorted() == Array(0..<count))
        #expect((0..<1000).allSatisfy { _ in (0..<count).contains(random.below(count)) })
    }

    @Test(
        "a share's interval is that of statsmodels' proportion_confint(method=\"wilson\")",
        arguments: [
            (0, 10, 0.0, 0.277533), (5, 10, 0.236593, 0.763407), (10, 10, 0.722467, 1.0), (98, 100, 0.929986, 0.994501)
        ])
    func wilson(part: Int, count: Int, low: Double, high: Double) {
        let estimate = Estimate(part, of: count)
        #expect(abs(estimate.low - low) < 1e-5 && abs(estimate.high - high) < 1e-5)
    }

    @Test("of no cases, a share may be anything")
    func nothing() {
        #expect(Estimate(0, of: 0) == Estimate(0, low: 0, high: 1))
    }

    @Test(
        "a mean of shares has the interval of statsmodels for as many cases as have its variance",
        arguments: [
            ((0..<100).map { Double($0 % 5) / 4 }, 0.431022, 0.568978), ((0..<40).map { _ in 1.0 }, 0.912378, 1),
            ((0..<20).map { _ in 0.5 }, 0.299298, 0.700702), ([], 0, 1)
        ])
    func shares(shares: [Double], low: Double, high: Double) {
        let estimate = Estimate(meanOfShares: shares)
        #expect(abs(estimate.low - low) < 1e-5 && abs(estimate.high - high) < 1e-5)
    }

    @Test("a difference of shares of the same cases has Agresti's and Min's interval, also where no case differs")
    func differences() {
        // Agresti's poll of 1600 people, of whom 150 changed from yes to no and 86 from no to yes.
        let poll = [Double](repeating: 1, count: 150) + [Double](repeating: -1, count: 86)
        let estimate = Estimate(meanOfDifferences: poll + [Double](repeating: 0, count: 1364))
        #expect(abs(estimate.value - 0.04) < 1e-12)
        #expect(abs(estimate.low - 0.021217) < 1e-6 && abs(estimate.high - 0.058683) < 1e-6)
        let same = Estimate(meanOfDifferences: [Double](repeating: 0, count: 80))
        #expect(same.value == 0 && abs(same.low + 0.023902) < 1e-6 && abs(same.high - 0.023902) < 1e-6)
        #expect(Estimate(meanOfDifferences: []) == Estimate(0, low: -1, high: 1))
    }

    @Test("resampling gives the interval of a mean of coin throws")
    func bootstrap() {
        let estimate = Bootstrap.estimate([(0..<400).map { Double($0 % 2) }]) { $0[0] }
        #expect(estimate.value == 0.5)
        #expect(abs(estimate.high - estimate.low - 0.098) < 0.02)
    }
}
