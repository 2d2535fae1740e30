import Foundation
import SutureTensor

/// The random numbers of one image.
///
/// xoshiro256++ (Blackman & Vigna 2019), started by SplitMix64 as its authors advise: noise takes a number for each value
/// of an image, so what makes them must be inlined.
struct RandomStream {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Streams of one seed and different places have nothing in common.
    init(seed: UInt64, index: Int = 0) {
        var start = SeededGenerator(seed: seed)
        let base = start.next()
        var generator = SeededGenerator(seed: base ^ (UInt64(bitPattern: Int64(index)) &* 0xD605_1B5B_F7C2_46A9))
        state = (generator.next(), generator.next(), generator.next(), generator.next())
    }

    /// The next 64 random bits.
    @inline(__always)
    mutating func next() -> UInt64 {
        let sum = state.0 &+ state.3
        let result = (sum << 23 | sum >> 41) &+ state.0
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }

    /// A number in 0..<1.
    @inline(__always)
    mutating func unit() -> Float { Float(next() >> 40) / Float(1 << 24) }

    /// A number between two others.
    mutating func number(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * Double(next() >> 11) / Double(1 << 53)
    }

    /// A whole number in 0..<bound.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

    /// Numbers in 0..<1.
    mutating func units(_ count: Int) -> [Float] { fill(count) { $0.unit() } }

    /// Numbers of the standard normal distribution.
    mutating func normals(_ count: Int) -> [Float] {
        let ziggurat = Ziggurat.shared
        return fill(count) { ziggurat.number(&$0) }
    }

    @inline(__always)
    private mutating func fill(_ count: Int, _ draw: (inout RandomStream) -> Float) -> [Float] {
        var random = self
        let values = [Float](unsafeUninitializedCapacity: count) { values, initialized in
            for index in 0..<count { values[index] = draw(&random) }
            initialized = count
        }
        self = random
        return values
    }
}

/// Normal numbers by the method of Marsaglia & Tsang (2000): the area under the bell in 256 layers of equal area, most of
/// which need one random number and one comparison.
private final class Ziggurat: Sendable {
    static let shared = Ziggurat()

    private static let tail = 3.6541528853610088
    /// For each layer: by what 24 random bits are multiplied, and below what they are surely under the curve.
    private let layers: [Layer]
    private struct Layer: Sendable {
        let scale: Float
        let sure: Int32
        /// The heights of the curve at the two ends of the layer.
        let outer, inner: Float
    }

    private init() {
        let density = { (x: Double) in exp(-x * x / 2) }
        let area = Self.tail * density(Self.tail) + (Double.pi / 2).squareRoot() * erfc(Self.tail / 2.0.squareRoot())
        // The right ends of the layers from the lowest, which has the tail in it, up to the top.
        var ends = [area / density(Self.tail), Self.tail]
        while ends.count < 256 {
            let x = ends[ends.count - 1]
            ends.append((-2 * log(area / x + density(x))).squareRoot())
        }
        ends.append(0)
        let bits = Double(1 << 23)
        layers = (0..<256).map { index in
            Layer(
                scale: Float(ends[index] / bits), sure: Int32(ends[index + 1] / ends[index] * bits),
                outer: Float(density(ends[index])), inner: Float(density(ends[index + 1])))
        }
    }

    @inline(__always)
    func number(_ random: inout RandomStream) -> Float {
        layers.withUnsafeBufferPointer { layers in
            while true {
                let bits = random.next()
                let layer = layers[Int(bits & 255)]
                let signed = Int32(truncatingIfNeeded: Int64(bitPattern: bits) >> 40)
                let x = Float(signed) * layer.scale
                if abs(signed) < layer.sure { return x }
                if bits & 255 == 0 {
                    return signed < 0 ? -beyond(&random) : beyond(&random)
                }
                if layer.outer + random.unit() * (layer.inner - layer.outer) < exp(-x * x / 2) { return x }
            }
        }
    }

    /// A number of the tail, always positive.
    private func beyond(_ random: inout RandomStream) -> Float {
        while true {
            let x = -log(1 - random.number(in: 0...1)) / Self.tail
            let y = -log(1 - random.number(in: 0...1))
            if 2 * y >= x * x { return Float(Self.tail + x) }
        }
    }
}
