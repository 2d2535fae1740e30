import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("Changes in few bits")
struct QuantizationTests {
    /// Numbers of many sizes, some of them zero.
    private func values(_ count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix64(state: seed)
        return (0..<count).map { _ in
            let size = Float(exp2(Double.random(in: -20...3, using: &random)))
            return Int.random(in: 0..<5, using: &random) == 0 ? 0 : Bool.random(using: &random) ? size : -size
        }
    }

    private func decoded(_ delta: QuantizedDelta, shape: [Int]) throws -> [Double] {
        var sums = [Double](repeating: 0, count: shape.reduce(1, *))
        try sums.withUnsafeMutableBufferPointer { sums in
            try delta.add(1, of: 0..<sums.count, shape: shape, to: sums)
        }
        return sums
    }

    @Test("err by half a step at most, keep zeros, and take just their bits", arguments: 1...16, [false, true])
    func linear(bits: Int, perChannel: Bool) throws {
        let shape = [7, 11]
        let values = values(77, seed: UInt64(bits))
        let delta = try QuantizedDelta(
            values, shape: shape, .init(bits: bits, perChannel: perChannel), subject: "test")
        #expect(delta.codes.bytes.count == (77 * bits + 7) / 8)
        if bits == 1 { return }
        for (index, found) in try decoded(delta, shape: shape).enumerated() {
            let group = perChannel ? values[index / 11 * 11..<(index / 11 + 1) * 11] : values[...]
            let largest = group.reduce(0) { max($0, Double($1.magnitude)) }
            let step = largest / Double(1 << (bits - 1) - 1)
            #expect(abs(found - Double(values[index])) <= step / 2 * 1.0001 && (values[index] != 0 || found == 0))
        }
    }

    @Test("by their logarithm err by a fraction of themselves at most", arguments: 2...16, [false, true])
    func logarithmic(bits: Int, perChannel: Bool) throws {
        let shape = [7, 11]
        let values = values(77, seed: UInt64(100 + bits))
        let delta = try QuantizedDelta(
            values, shape: shape, .init(bits: bits, scheme: .log, perChannel: perChannel), subject: "test")
        #expect(delta.codes.bytes.count == (77 * bits + 7) / 8 && delta.zeros == nil)
        let levels = Double(1 << (bits - 1) - 1)
        let fraction = levels == 1 ? 0 : (exp2(Double(bits - 1) / (levels - 1)) - 1) / 2
        for (index, found) in try decoded(delta, shape: shape).enumerated() {
            let group = perChannel ? values[index / 11 * 11..<(index / 11 + 1) * 11] : values[...]
            let largest = group.reduce(0) { max($0, Double($1.magnitude)) }
            // Two bits have one level, to which the middle between it and zero is half of the largest.
            let floor = levels == 1 ? largest / 2 : largest / Double(1 << bits)
            let value = Double(values[index])
            #expect(abs(found - value) <= max(floor, fraction * abs(value)) * 1.0001)
            #expect((value != 0 || found == 0) && found * value >= 0)
        }
    }

    @Test("by their logarithm are those of every library's power of two")
    func levels() {
        for bits in 2...16 {
            let fractions = LogCodebook.fractions[bits]
            #expect(fractions.count == 1 << bits && fractions[1 << (bits - 1) - 1] == 1)
            let top = 1 << (bits - 1) - 1
            for level in 1...top where top > 1 {
                // The nearest middle of two float32 is farther than many errors of a library.
                let exact = exp2(Double((bits - 1) * (level - top)) / Double(top - 1))
                let nearest = Float(exact)
                #expect(Double(nearest) == fractions[level] && Double(nearest) == -fractions[level + top + 1])
                for neighbor in [nearest.nextUp, nearest.nextDown] {
                    let middle = (Double(nearest) + Double(neighbor)) / 2
                    #expect(abs(exact - middle) > exact * 0x1p-47, "\(bits) bits, level \(level)")
                }
            }
        }
    }

    @Test(
        "of channels, short or longer than what is worked on at once, are those of each channel alone",
        arguments: [[2, 16_387], [2, 16_392], [301, 27], [5, 4096], [9, 2001], [17, 3, 3, 7]],
        [
            QuantizationOptions(bits: 1), .init(bits: 5), .init(bits: 8), .init(bits: 12, isSymmetric: false)
        ])
    func channels(shape: [Int], options: QuantizationOptions) throws {
        let (channels, length) = (shape[0], shape.dropFirst().reduce(1, *))
        let values = values(channels * length, seed: 11)
        let whole = try QuantizedDelta(values, shape: shape, options, subject: "test")
        #expect(whole.scales.count == channels)
        let found = try decoded(whole, shape: shape)
        for channel in 0..<channels {
            let range = channel * length..<(channel + 1) * length
            let alone = try QuantizedDelta(Array(values[range]), shape: [1, length], options, subject: "test")
            #expect(try whole.scales.floats(channel..<channel + 1) == alone.scales.floats())
            #expect(try whole.zeros?.floats(channel..<channel + 1) == alone.zeros?.floats())
            #expect(try found[range].elementsEqual(decoded(alone, shape: [1, length])))
        }
        // From anywhere in the packed codes.
        let part = 5..<min(41, values.count)
        var sums = [Double](repeating: 0, count: part.count)
        try sums.withUnsafeMutableBufferPointer { try whole.add(1, of: part, shape: shape, to: $0) }
        #expect(sums.elementsEqual(found[part]))
    }

    @Test("of a tensor that is one number, or zeros only, are those")
    func constants() throws {
        for scheme in QuantizationOptions.Scheme.allCases {
            for value: Float in [0, 3, -0.001] {
                let delta = try QuantizedDelta(
                    [Float](repeating: value, count: 6), shape: [2, 3], .init(bits: 5, scheme: scheme), subject: "test")
                for found in try decoded(delta, shape: [2, 3]) {
                    #expect(abs(Float(found) - value) <= abs(value) * 1e-6)
                }
            }
        }
        #expect(throws: PatchError.self) {
            try QuantizedDelta([1], shape: [1], .init(bits: 1, scheme: .log), subject: "test")
        }
    }
}
