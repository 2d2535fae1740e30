import Foundation
import SutureCore
import SutureFormats
import SutureTestSupport
import Testing

@Suite("Blocks that are written anew")
struct GGUFBlocksTests {
    private func values(_ type: GGUFType, _ blocks: [UInt8]) throws -> [Float] {
        var values = [Float](repeating: .nan, count: blocks.count / type.blockWidth * type.blockLength)
        try values.withUnsafeMutableBufferPointer { values in
            try blocks.withUnsafeBytes { try type.dequantize($0, into: values) }
        }
        return values
    }

    private func rewritten(_ type: GGUFType, _ block: [UInt8], to values: [Float]) throws -> [UInt8] {
        var block = block
        try block.withUnsafeMutableBytes { block in
            try values.withUnsafeBufferPointer { try type.rewrite(block, to: $0) }
        }
        return block
    }

    /// Blocks of the reference implementation.
    private func blocks(_ type: GGUFType) throws -> [[UInt8]] {
        let bytes = Array(try Data(contentsOf: Goldens.url("formats/\(type.name).blocks")))
        return stride(from: 0, to: bytes.count, by: type.blockWidth).map { Array(bytes[$0..<$0 + type.blockWidth]) }
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }.squareRoot()
    }

    @Test(
        "one value changes to the nearest that the block can hold, and no other bit", arguments: GGUFTests.weightTypes)
    func single(type: GGUFType) throws {
        var random = SeededGenerator(seed: 3)
        for block in try blocks(type) {
            let before = try values(type, block)
            // Those of short floats are of every kind.
            guard before.allSatisfy({ $0.isFinite && $0.magnitude < 1e30 }) else { continue }
            for _ in 0..<8 {
                let place = random.below(before.count)
                // What others of the same part hold can be held, at least.
                let part = max(1, min(16, type.blockLength))
                let others = before[place / part * part..<min(place / part * part + part, before.count)]
                var wanted = before
                wanted[place] = random.pick(Array(others))
                let after = try values(type, rewritten(type, block, to: wanted))
                #expect(after == wanted)
                // Between two of them, one that is no further than either.
                wanted[place] = (wanted[place] + random.pick(Array(others))) / 2
                let between = try values(type, rewritten(type, block, to: wanted))
                let reach = others.map { abs($0 - wanted[place]) }.min() ?? 0
                #expect(abs(between[place] - wanted[place]) <= reach * 1.0001)
                let disturbed = before.indices.filter { $0 != place && between[$0] != before[$0] }
                #expect(disturbed.isEmpty)
            }
        }
    }

    /// What is left of a normal distribution's width, at most: half a step, with room for what is not searched through.
    private static let errors: [(GGUFType, Double)] = [
        (.q8_0, 0.006), (.q4_0, 0.095), (.q4_1, 0.085), (.q5_0, 0.048), (.q5_1, 0.042), (.q2_K, 0.34), (.q3_K, 0.18),
        (.q4_K, 0.085), (.q5_K, 0.042), (.q6_K, 0.027), (.iq4_NL, 0.085), (.iq4_XS, 0.085)
    ]

    @Test("a whole block gets scales of its own, and rounding what is rounded changes nothing", arguments: errors)
    func whole(type: GGUFType, limit: Double) throws {
        var random = SeededGenerator(seed: 5)
        var (error, size, unstable) = (0.0, 0.0, 0)
        for round in 0..<40 {
            let scale = Float(pow(10, Double(round % 5) - 3))
            // Twelve uniform numbers add up to nearly a normal one.
            let wanted = (0..<type.blockLength).map { _ in
                Float((0..<12).reduce(-6.0) { sum, _ in sum + Double(random.below(1 << 20)) / 0x1p20 }) * scale
            }
            let old = try blocks(type)[0]
            let block = try rewritten(type, old, to: wanted)
            let after = try values(type, block)
            error += pow(distance(after, wanted) / Double(scale), 2)
            size += Double(type.blockLength)
            var (now, next) = (after, try values(type, rewritten(type, old, to: after)))
            for _ in 0..<4 where now != next { (now, next) = (next, try values(type, rewritten(type, old, to: next))) }
            if now != next { unstable += 1 }
        }
        let relative = (error / size).squareRoot()
        #expect(relative < limit, "\(type.name): \(relative)")
        #expect(unstable == 0)
    }

    @Test("what is no number stays as it is, whatever changes beside it")
    func notFinite() throws {
        for type in [GGUFType.q8_0, .q4_1] {
            var block = try blocks(type)[0]
            // The scale is no number, and so is every value.
            block[0...1] = [0xFF, 0x7F]
            #expect(try rewritten(type, block, to: values(type, block)) == block)
        }
        #expect(try rewritten(.f16, [0xFF, 0x7F], to: values(.f16, [0xFF, 0x7F])) == [0xFF, 0x7F])
    }

    @Test("extreme, equal and vanishing values are held as well as can be, and never as infinity", arguments: errors)
    func extremes(type: GGUFType, limit: Double) throws {
        let old = try blocks(type)[0]
        for value in [0, 1, -1, 1e-9, -1e-9, 3e4, -3e4, 1e9, -1e30] as [Float] {
            let after = try values(
                type, rewritten(type, old, to: [Float](repeating: value, count: type.blockLength)))
            let isFinite = after.allSatisfy(\.isFinite)
            #expect(isFinite, "\(type.name) \(value)")
            if (0.01...4e4).contains(value.magnitude) {
                let isNear = after.allSatisfy { abs($0 - value) <= 0.01 * value.magnitude }
                #expect(isNear, "\(type.name) \(value) \(after[0])")
            }
        }
    }
}
