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
        guard count > 0 else {
            self.init(0, low: 0, high: 1)
            return
        }
        let (n, z) = (Double(count), 1.959964)
        let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
        self.init(share, low: max(0, middle - half), high: min(1, middle + half))
    }

    /// In how many of `count` cases something holds, as a share.
    public init(_ part: Int, of count: Int) { self.init(share: Double(part) / Double(max(1, count)), of: count) }
}
