import Foundation

/// The numbers that the logarithmic codes of a channel stand for: a sign, and a fraction of the largest magnitude.
///
/// The highest bit of a code is the sign, the others a number k. Zero is zero; L = 2^(bits-1) - 1 levels lie evenly in
/// their logarithm, from 2^-(bits-1), about the step of linear codes of as many bits, to one:
/// `level(k) = float32(2^((bits-1) * (k - L) / (L - 1)))`, and 1 for the only level of two bits.
struct LogCodebook: Codebook {
    /// The largest magnitude.
    let scale: Float
    private let bits: Int
    private let levels: [Double]

    init(scale: Float, bits: Int) {
        self.scale = scale
        self.bits = bits
        levels = Self.fractions[bits]
    }

    func encode(_ values: UnsafeBufferPointer<Float>, into codes: UnsafeMutableBufferPointer<UInt16>) {
        for index in 0..<values.count { codes[index] = code(of: values[index]) }
    }

    /// The code whose number is nearest.
    private func code(of value: Float) -> UInt16 {
        let fraction = scale > 0 ? Double(value.magnitude) / Double(scale) : 0
        if fraction == 0 { return 0 }
        let top = Self.top(bits)
        let position = top > 1 ? Double(top) + log2(fraction) / Self.octaves(bits) : 0
        let below = min(max(0, Int(position)), top - 1)
        let level = fraction - levels[below] > levels[below + 1] - fraction ? below + 1 : below
        return level == 0 ? 0 : UInt16(value < 0 ? level | 1 << (bits - 1) : level)
    }

    func level(of code: UInt16) -> Double { levels[Int(code)] }

    /// What each code stands for, as a fraction of the scale; by the number of bits, 2...16.
    static let fractions: [[Double]] = (0...16).map { bits in
        if bits < 2 { return [] }
        let magnitudes = (0...top(bits)).map { level -> Double in
            level == 0 ? 0 : Double(Float(exp2(Double(level - top(bits)) * octaves(bits))))
        }
        return magnitudes + magnitudes.map { -$0 }
    }

    /// How many levels there are.
    private static func top(_ bits: Int) -> Int { 1 << (bits - 1) - 1 }

    /// From one level to the next.
    private static func octaves(_ bits: Int) -> Double { bits == 2 ? 0 : Double(bits - 1) / Double(top(bits) - 1) }
}
