import Testing

@testable import SutureReports

@Suite("Text and numbers")
struct TextTests {
    @Test(
        "take as many columns as a terminal gives them",
        arguments: [
            ("abc", 3), ("", 0), ("漢字", 4), ("e\u{301}", 1), ("한", 2), ("\u{1112}\u{1161}\u{11AB}", 2), ("🧑‍🚀", 2),
            ("❤\u{FE0F}", 2), ("🇩🇪", 2), ("ｱ", 1), ("Ａ", 2), ("…", 1), ("a\u{200D}b", 2), ("█▒", 2)
        ])
    func width(text: String, expected: Int) {
        #expect(displayWidth(text) == expected)
    }

    @Test("are cut to the width and never beyond", arguments: 0...9)
    func truncation(width: Int) {
        for text in ["漢字漢字", "abcdefghij", "e\u{301}e\u{301}e\u{301}", "a漢b字c"] {
            let cut = truncated(text, to: width)
            #expect(displayWidth(cut) <= width)
            #expect(cut == text || width == 0 || cut.hasSuffix("…"))
        }
        #expect(displayWidth(padded("漢", to: 5)) == 5)
    }

    @Test(
        "are short and the same in every locale",
        arguments: [
            (0, "0"), (-0.0, "0"), (1, "1"), (-12, "-12"), (1234.5, "1234"), (0.5, "0.5"), (3.14159, "3.14"),
            (8.2e-5, "8.2e-5"), (1e6, "1e6"), (-2.5e-7, "-2.5e-7"), (.nan, "NaN"), (.infinity, "∞"), (999_999, "999999")
        ])
    func number(value: Double, expected: String) {
        #expect(Numeral.short(value) == expected)
    }

    @Test(
        "show probabilities without rounding them to certainty",
        arguments: [
            (0, "0%"), (1, "100%"), (0.9999, ">99.9%"), (0.0002, "<0.1%"), (0.021, "2.1%"), (0.744, "74%"),
            (0.996, "99.6%")
        ])
    func percent(value: Double, expected: String) {
        #expect(Numeral.percent(value) == expected)
    }

    @Test("a word longer than a line is broken, and nothing of it is lost")
    func longWords() {
        let id = String(repeating: "0123456789abcdef", count: 4)
        let lines = TerminalRenderer(width: 40, style: .plain, isUnicode: true).wrap("an \(id) ends", to: 20)
        #expect(lines.split(separator: "\n").allSatisfy { $0.count <= 20 })
        #expect(lines.replacing("\n", with: "").replacing(" ", with: "") == "an\(id)ends")
    }
}

@Suite("A scale")
struct ScaleTests {
    @Test("has few ticks at round numbers that cover the values", arguments: 0..<500)
    func property(seed: UInt64) {
        var random = SplitMix(state: seed)
        let magnitude = Double.random(in: -12...12, using: &random)
        let values = (0..<3).map { _ in Double.random(in: -1...1, using: &random) * pow10(magnitude) }
        let scale = Scale(covering: values)
        #expect((2...8).contains(scale.ticks.count), "\(values): \(scale.ticks)")
        #expect(values.allSatisfy { scale.low <= $0 + 1e-5 * $0.magnitude && $0 <= scale.high + 1e-5 * $0.magnitude })
        #expect(zip(scale.ticks, scale.ticks.dropFirst()).allSatisfy { $0 < $1 })
        #expect(scale.fraction(scale.low) == 0 && scale.fraction(scale.high) == 1)
        let labels = scale.ticks.map(scale.label)
        #expect(Set(labels).count == labels.count, "\(labels)")
        for (tick, label) in zip(scale.ticks, labels) {
            // A label says its tick exactly, up to the rounding of binary fractions.
            #expect(abs((Double(label) ?? .nan) - tick) <= 1e-9 * (scale.high - scale.low), "\(label) for \(tick)")
        }
    }

    @Test(
        "steps by 1, 2 or 5 times a power of ten",
        arguments: [(0.7, 1.0), (1, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05)])
    func steps(size: Double, expected: Double) {
        #expect(abs(Scale.niceStep(size) - expected) < 1e-12)
    }

    @Test("of powers of ten leaves out what has no logarithm")
    func logarithmic() {
        let scale = Scale(logarithmicCovering: [0, -1, .nan, 2e-6, 0.02])
        #expect(scale.ticks.map(scale.label) == ["1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1"])
        #expect(scale.fraction(0) == nil && scale.fraction(.nan) == nil)
        #expect(abs((scale.fraction(1e-3) ?? 0) - 0.6) < 1e-12)
    }
}

private func pow10(_ exponent: Double) -> Double {
    (0..<Int(exponent.magnitude)).reduce(1.0) { value, _ in exponent < 0 ? value / 10 : value * 10 }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
