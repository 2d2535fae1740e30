import Foundation

/// A number and the interval that holds it with 95% confidence.
public struct Estimate: Sendable, Codable, Equatable {
    public var value: Double
    public var low: Double
    public var high: Double

    /// A number with an interval that is known.
    public init(_ value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }

    /// A share that was found among `count` cases, with the interval of Wilson (1927):
    /// (p + z^2/2n +- z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n), z = 1.96.
    ///
    /// Of no cases, anything between 0 and 1.
    public init(share: Double, of count: Int) {
        self.init(share: share, cases: Double(count))
    }

    private init(share: Double, cases n: Double) {
        guard n > 0 else {
            self.init(0, low: 0, high: 1)
            return
        }
        let z = 1.959964
        let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
        self.init(share, low: max(0, middle - half), high: min(1, middle + half))
    }

    /// In how many of `count` cases something holds, as a share.
    public init(_ part: Int, of count: Int) { self.init(share: Double(part) / Double(max(1, count)), of: count) }

    /// The mean of shares, 0...1, one of each case, such as in how many of several trials something held there.
    ///
    /// The interval is Wilson's for as many cases as would make a share of the same variance (Korn & Graubard 1998): shares
    /// that are alike within a case count as one. Of no cases, anything between 0 and 1.
    public init(meanOfShares shares: [Double]) {
        let n = Double(shares.count)
        let mean = shares.reduce(0, +) / max(1, n)
        let squares = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        // Where all cases are alike, their number is all there is to go by.
        let effective = squares > 0 && n > 1 ? mean * (1 - mean) * n * (n - 1) / squares : n
        self.init(share: min(1, max(0, mean)), cases: max(n, effective))
    }

    /// The mean of differences, -1...1, of two shares that were found in the same cases.
    ///
    /// The interval is that of Agresti & Min (2005), who add two cases, half of one for each side: it has a width also where
    /// no case differs. Of no cases, anything between -1 and 1.
    public init(meanOfDifferences differences: [Double]) {
        let n = Double(differences.count)
        guard n > 0 else {
            self.init(0, low: -1, high: 1)
            return
        }
        let sum = differences.reduce(0, +)
        let squares = differences.reduce(0) { $0 + $1 * $1 }
        let middle = sum / (n + 2)
        let variance = (squares + 1) / (n + 2) - middle * middle
        let half = 1.959964 * (variance / (n + 2)).squareRoot()
        self.init(sum / n, low: max(-1, middle - half), high: min(1, middle + half))
    }
}
