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

    @Test("resampling gives the interval of a mean of coin throws")
    func bootstrap() {
        let estimate = Bootstrap.estimate([(0..<400).map { Double($0 % 2) }]) { $0[0] }
        #expect(estimate.value == 0.5)
        #expect(abs(estimate.high - estimate.low - 0.098) < 0.02)
    }
}
