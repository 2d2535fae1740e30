import Foundation

/// Numbers as short text, the same in every locale.
enum Numeral {
    /// About three significant digits; whole numbers below a million are written out.
    static func short(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-∞" : "∞" }
        let magnitude = value.magnitude
        if magnitude < 1e6, value == value.rounded() { return tidyZero(String(format: "%.0f", value)) }
        if magnitude >= 1e6 || magnitude < 1e-3 { return scientific(value) }
        let decimals = max(0, 2 - Int(log10(magnitude).rounded(.down)))
        return trimmed(String(format: "%.\(decimals)f", value))
    }

    /// A value beside a greatest one: of what is less than a share of that, only that it is nothing.
    static func short(_ value: Double, beside greatest: Double, share: Double) -> String {
        value != 0 && value.magnitude < share * greatest ? "0.0" : short(value)
    }

    /// A mantissa of up to three digits and an exponent without padding: `8.2e-5`.
    static func scientific(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : short(value) }
        let parts = String(format: "%.2e", value).split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
        return "\(trimmed(String(parts[0])))e\(exponent)"
    }

    /// A probability as a percentage; a dash where there is none.
    static func percent(_ probability: Double?) -> String {
        guard let probability, probability.isFinite else { return "–" }
        let percent = probability * 100
        if percent > 0, percent < 0.1 { return "<0.1%" }
        if percent > 99.9, percent < 100 { return ">99.9%" }
        let isWhole = percent >= 10 && percent < 99.5 || percent == percent.rounded()
        return String(format: isWhole ? "%.0f%%" : "%.1f%%", percent)
    }

    /// A coordinate of a drawing: two decimals at most.
    static func decimal(_ value: Double) -> String {
        trimmed(String(format: "%.2f", value))
    }

    /// A zero has no sign: rounding can leave `-0`.
    static func tidyZero(_ text: String) -> String {
        text.hasPrefix("-") && !text.contains { "123456789".contains($0) } ? String(text.dropFirst()) : text
    }

    private static func trimmed(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var text = text
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
