import Foundation
import SutureTensor

/// A number and the interval that holds it with 95% confidence.
public struct Estimate: Sendable, Codable, Equatable {
    public var value: Double
    public var low: Double
    public var high: Double

    public init(_ value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }
}

/// How much of the behaviour a patch moved.
public struct Score: Sendable, Codable {
    /// Fractional logit difference decrease: 1 - mean(LD patched) / mean(LD clean). 0 no effect, 1 the margin is gone,
    /// above 1 it is reversed. A ratio of means (Makelov, Lange & Nanda 2023, equation 4).
    public var fldd: Estimate
    /// The share of pairs whose most likely token, of the whole vocabulary, is the target.
    public var interchange: Estimate
    /// The share of pairs in which the target lies above its rival.
    public var twoWay: Estimate
    /// The mean logit difference under the patch.
    public var difference: Estimate
    /// The mean KL(clean || patched) in nats; 0 where it was not measured.
    public var divergence: Estimate

    /// Scores an outcome against the clean one. Intervals are percentiles of 1000 resamples of the pairs.
    public init(_ outcome: Outcome, clean: Outcome, pairs: [TokenizedPair]) {
        self.init([outcome], clean: clean, pairs: pairs)
    }

    /// Scores several outcomes on the same pairs, such as one for each seed of training: each pair counts with its mean
    /// over them.
    public init(_ outcomes: [Outcome], clean: Outcome, pairs: [TokenizedPair]) {
        func averaged(_ value: (Outcome, Int) -> Double) -> [Double] {
            pairs.indices.map { pair in Bootstrap.mean(outcomes.map { value($0, pair) }) }
        }
        let cleanLD = clean.difference
        let patchedLD = averaged { $0.answer[$1] - $0.other[$1] }
        let hits = averaged { $0.top[$1] == pairs[$1].target ? 1 : 0 }
        let wins = averaged { ($0.answer[$1] < $0.other[$1]) == (pairs[$1].target == pairs[$1].other) ? 1 : 0 }
        fldd = Bootstrap.estimate([cleanLD, patchedLD]) { $0[0] == 0 ? 0 : 1 - $0[1] / $0[0] }
        interchange = Bootstrap.estimate([hits]) { $0[0] }
        twoWay = Bootstrap.estimate([wins]) { $0[0] }
        difference = Bootstrap.estimate([patchedLD]) { $0[0] }
        divergence = Bootstrap.estimate([outcomes.flatMap(\.divergence)]) { $0[0] }
    }
}

/// Resampling of pairs.
public enum Bootstrap {
    static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }

    /// A statistic of the means of several columns, one row for each pair, with its percentile interval.
    public static func estimate(
        _ columns: [[Double]], resamples: Int = 1000, seed: UInt64 = 0, _ statistic: ([Double]) -> Double
    ) -> Estimate {
        let count = columns[0].count
        let value = statistic(columns.map(mean))
        guard count > 1, resamples > 0 else { return Estimate(value, low: value, high: value) }
        var random = SeededGenerator(seed: seed)
        var values: [Double] = []
        values.reserveCapacity(resamples)
        var sums = [Double](repeating: 0, count: columns.count)
        for _ in 0..<resamples {
            for index in sums.indices { sums[index] = 0 }
            for _ in 0..<count {
                let row = random.below(count)
                for index in sums.indices { sums[index] += columns[index][row] }
            }
            values.append(statistic(sums.map { $0 / Double(count) }))
        }
        values.sort()
        let edge = min(resamples / 40, (resamples - 1) / 2)
        return Estimate(value, low: values[edge], high: values[resamples - 1 - edge])
    }

    /// The exact two-sided McNemar test of two accuracies on the same pairs.
    public static func mcNemar(_ a: [Bool], _ b: [Bool]) -> (onlyA: Int, onlyB: Int, p: Double) {
        let onlyA = zip(a, b).count { $0 && !$1 }
        let onlyB = zip(a, b).count { !$0 && $1 }
        let n = onlyA + onlyB
        guard n > 0 else { return (0, 0, 1) }
        // The sum of binomial probabilities up to the smaller count, in logarithms.
        var term = -Double(n) * log(2)
        var sum = 0.0
        for k in 0...min(onlyA, onlyB) {
            if k > 0 { term += log(Double(n - k + 1) / Double(k)) }
            sum += exp(term)
        }
        return (onlyA, onlyB, min(1, 2 * sum))
    }
}
