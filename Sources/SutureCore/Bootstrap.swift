import Foundation

/// Resampling of what was measured, case by case.
public enum Bootstrap {
    /// The mean; 0 of nothing.
    public static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }

    /// The median, of an even number of values the mean of both middle ones; 0 of nothing.
    public static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    /// A statistic of the means of several columns, one row for each case, with its percentile interval.
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

    /// The mean of some values, with its percentile interval.
    public static func estimate(mean values: [Double], seed: UInt64 = 0) -> Estimate {
        estimate([values], seed: seed) { $0[0] }
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
