import Foundation

/// Maps values to 0...1 along an axis, with ticks at round numbers.
struct Scale {
    /// The ends of the axis; both are ticks.
    let low: Double
    let high: Double
    let ticks: [Double]
    private let isLogarithmic: Bool
    private let step: Double

    /// A linear axis with about five steps of 1, 2 or 5 times a power of ten.
    init(covering values: [Double]) {
        // Beyond this the difference of two values is no longer finite.
        let finite = values.filter { $0.isFinite && $0.magnitude < 1e300 }
        var low = finite.min() ?? 0
        var high = finite.max() ?? 1
        let magnitude = max(low.magnitude, high.magnitude)
        if high - low <= magnitude * 1e-9 || magnitude < 1e-280 {
            let margin = magnitude < 1e-280 ? 1 : magnitude / 2
            (low, high) = low == 0 && high == 0 ? (0, margin) : (low - margin, high + margin)
        }
        let step = Self.niceStep((high - low) / 5)
        // Rounding must not add a step when a value is a tick already.
        let first = (low / step + 1e-6).rounded(.down)
        let last = (high / step - 1e-6).rounded(.up)
        let ticks = (0...max(1, Int(last - first))).map { (first + Double($0)) * step }
        self.ticks = ticks
        self.low = ticks[0]
        self.high = ticks[ticks.count - 1]
        self.step = step
        self.isLogarithmic = false
    }

    /// An axis of powers of ten; only positive values count.
    init(logarithmicCovering values: [Double]) {
        let exponents = values.filter { $0 > 0 && $0.isFinite }.map { log10($0) }
        let first = Int(((exponents.min() ?? -1) + 1e-9).rounded(.down))
        let last = max(first + 1, Int(((exponents.max() ?? 0) - 1e-9).rounded(.up)))
        let stride = max(1, (last - first + 5) / 6)
        let top = first + (last - first + stride - 1) / stride * stride
        // The ends stay powers that a Double can hold.
        let ticks = Swift.stride(from: first, through: top, by: stride).map { pow(10, Double(min(max($0, -307), 308))) }
        self.ticks = ticks
        self.low = ticks[0]
        self.high = ticks[ticks.count - 1]
        self.step = 0
        self.isLogarithmic = true
    }

    /// Where a value lies between the ends, 0...1; nil for what cannot be placed.
    func fraction(_ value: Double) -> Double? {
        guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
        let fraction =
            isLogarithmic
            ? (log10(value) - log10(low)) / (log10(high) - log10(low))
            : (value - low) / (high - low)
        return fraction.isFinite ? min(max(fraction, 0), 1) : nil
    }

    /// The tick's text: as many decimals as the step needs.
    func label(_ tick: Double) -> String {
        if isLogarithmic { return low < 1e-3 || high >= 1e6 ? Numeral.scientific(tick) : Numeral.short(tick) }
        let greatest = max(low.magnitude, high.magnitude)
        if greatest >= 1e6 || greatest < 1e-3 { return Numeral.scientific(tick) }
        let decimals = max(0, -Int(log10(step).rounded(.down)))
        return Numeral.tidyZero(String(format: "%.\(decimals)f", tick))
    }

    /// The least of 1, 2, 5 times a power of ten that is not below `size`.
    static func niceStep(_ size: Double) -> Double {
        let power = pow(10, log10(size).rounded(.down))
        let factor = size / power
        let nice = [1, 2, 5, 10].first { factor <= $0 * (1 + 1e-9) } ?? 10
        return nice * power
    }
}
