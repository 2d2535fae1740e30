/// Bars made of characters.
enum Bars {
    /// A bar from the axis' zero to the value, in eighths of a character where it grows to the right.
    static func unicode(_ value: Double, on scale: Scale, width: Int) -> String {
        guard let end = scale.fraction(value), let zero = scale.fraction(0) else { return "" }
        guard end < zero else {
            let start = Int((zero * Double(width)).rounded())
            let eighths = max(0, Int((end * Double(width) * 8).rounded()) - start * 8)
            let rest = eighths % 8 == 0 ? "" : String(partial[eighths % 8 - 1])
            return String(repeating: " ", count: start) + String(repeating: "█", count: eighths / 8) + rest
        }
        // A negative bar is of another texture, so that its sign shows without color.
        return plain(value, on: scale, width: width, negative: "▒", positive: "█")
    }

    static func ascii(_ value: Double, on scale: Scale, width: Int) -> String {
        plain(value, on: scale, width: width, negative: "-", positive: "#")
    }

    /// A share of a whole, 0...1, with the rest drawn as track.
    static func share(_ fraction: Double?, width: Int, isUnicode: Bool = true) -> String {
        let fraction = fraction.flatMap { $0.isFinite ? min(max($0, 0), 1) : nil } ?? 0
        let filled = Int((fraction * Double(width)).rounded())
        return String(repeating: isUnicode ? "█" : "#", count: filled)
            + String(repeating: isUnicode ? "░" : ".", count: width - filled)
    }

    private static let partial: [Character] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    private static func plain(
        _ value: Double, on scale: Scale, width: Int, negative: Character, positive: Character
    ) -> String {
        guard let end = scale.fraction(value), let zero = scale.fraction(0) else { return "" }
        let first = Int((min(end, zero) * Double(width)).rounded())
        let last = Int((max(end, zero) * Double(width)).rounded())
        let mark = value < 0 ? negative : positive
        return String(repeating: " ", count: first) + String(repeating: mark, count: last - first)
    }
}
