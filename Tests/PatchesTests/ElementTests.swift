import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SuturePatches

@Suite("Elements")
struct ElementTests {
    @Test("every float16 reads as what it is, and is written back")
    func float16RoundTrip() {
        for bits in UInt16.min...UInt16.max {
            let value = Float(float16: bits)
            let reference = Float(Float16(bitPattern: bits))
            #expect(reference.isNaN ? value.isNaN : value.bitPattern == reference.bitPattern)
            #expect(value.float16 == bits)
        }
    }

    @Test("what is no number stays so when it loses digits")
    func notANumber() {
        for bits: UInt32 in [0x7F80_0001, 0xFF80_1000, 0x7F80_2000, 0x7FFF_FFFF, 0xFFC0_0000] {
            let value = Float(bitPattern: bits)
            #expect(Float(float16: value.float16).isNaN && Float(bitPattern: UInt32(value.bfloat16) << 16).isNaN)
        }
    }

    @Test("many at once are read and written as one by one", arguments: [StorageType.float32, .bfloat16, .float16])
    func manyAtOnce(type: StorageType) {
        var random = SplitMix64(state: 7)
        let patterns = (0..<5003).map { _ in UInt32.random(in: 0...(.max), using: &random) }
        let values = patterns.map(Float.init(bitPattern:))
        var bytes = [UInt8](repeating: 0, count: values.count * type.width)
        var single = bytes
        bytes.withUnsafeMutableBytes { bytes in values.withUnsafeBufferPointer { type.store($0, in: bytes) } }
        single.withUnsafeMutableBytes { single in
            for (index, value) in values.enumerated() { type.store(value, in: single, at: index) }
        }
        #expect(bytes == single)
        bytes.withUnsafeBytes { bytes in
            let found = type.floats(bytes)
            #expect(found.indices.allSatisfy { found[$0].bitPattern == type.load(bytes, at: $0).bitPattern })
        }
    }

    @Test(
        "what is added is rounded twice, and nothing is added where nothing changes",
        arguments: [StorageType.float32, .bfloat16, .float16])
    func sums(type: StorageType) throws {
        var random = SplitMix64(state: 8)
        let count = 5003
        let original = (0..<count * type.width).map { _ in UInt8.random(in: 0...255, using: &random) }
        var sums = (0..<count).map { _ in
            Bool.random(using: &random)
                ? 0 : Double.random(in: -1...1, using: &random) * exp2(Double.random(in: -40...4, using: &random))
        }
        var (bytes, changed, wrong) = (original, 0, 0)
        let found = bytes.withUnsafeMutableBytes { bytes in
            sums.withUnsafeMutableBufferPointer { EditSum.add($0, to: bytes, type) }
        }
        original.withUnsafeBytes { original in
            bytes.withUnsafeBytes { bytes in
                for (index, sum) in sums.enumerated() {
                    let (before, after) = (type.load(original, at: index), type.load(bytes, at: index))
                    var element = [UInt8](original[index * type.width..<(index + 1) * type.width])
                    if sum != 0 {
                        element.withUnsafeMutableBytes { type.store(Float(Double(before) + sum), in: $0, at: 0) }
                    }
                    if !element.elementsEqual(bytes[index * type.width..<(index + 1) * type.width]) { wrong += 1 }
                    if after < before || after > before { changed += 1 }
                }
            }
        }
        #expect(wrong == 0 && found.changed == changed && found.overflow == nil)
        // The first of two elements that become too large is told, not one that was infinite before.
        var large = [UInt8](repeating: 0, count: count * type.width)
        large.withUnsafeMutableBytes { large in
            type.store(-.infinity, in: large, at: 4000)
            for index in [4500, 4501] { type.store(type == .float16 ? 65504 : 0x1.FEp127, in: large, at: index) }
        }
        sums = [Double](repeating: 0, count: count)
        for index in [4000, 4500, 4501] { sums[index] = 0x1p127 }
        let overflow = large.withUnsafeMutableBytes { large in
            sums.withUnsafeMutableBufferPointer { EditSum.add($0, to: large, type).overflow }
        }
        #expect(overflow == 4500)
    }

    @Test("sums in eight lanes are sums", arguments: [0, 1, 7, 8, 9, 1000])
    func lanes(count: Int) {
        // Whole numbers, whose sums are exact in any order.
        let found = LaneSums.add(count: count) { (Double($0), Double($0 * $0)) }
        #expect(
            found.0 == Double((0..<count).reduce(0, +)) && found.1 == Double((0..<count).reduce(0) { $0 + $1 * $1 }))
    }

    @Test("float16 is rounded as the standard library does it")
    func float16Rounding() {
        // Halfway between neighbors, beside it, below the smallest and at the edge of infinity.
        var values: [Float] = [65504, 65519.996, 65520, 65536, 0x1p-24, 0x1p-25, 0x1.000002p-25, 0x1p-26, 0x1p-140]
        for bits in stride(from: UInt16(0), to: 0x7BFF, by: 7) {
            let (low, high) = (Float(float16: bits), Float(float16: bits + 1))
            let middle = (low + high) / 2
            values += [middle, middle.nextUp, middle.nextDown]
        }
        for value in values {
            #expect(value.float16 == Float16(value).bitPattern, "\(value)")
            #expect((-value).float16 == Float16(-value).bitPattern, "\(-value)")
        }
    }

    @Test("bfloat16 is rounded to nearest, ties to even")
    func bfloat16Rounding() {
        #expect(Float(bitPattern: 0x3F80_8000).bfloat16 == 0x3F80)  // a tie, down to even
        #expect(Float(bitPattern: 0x3F81_8000).bfloat16 == 0x3F82)  // a tie, up to even
        #expect(Float(bitPattern: 0x3F80_8001).bfloat16 == 0x3F81)
        #expect(Float(bitPattern: 0x3F80_7FFF).bfloat16 == 0x3F80)
        #expect(Float(bitPattern: 0x0000_8001).bfloat16 == 0x0001)  // subnormal
        #expect(Float(bitPattern: 0x0000_8000).bfloat16 == 0x0000)
        #expect(Float.greatestFiniteMagnitude.bfloat16 == 0x7F80)
        #expect(Float.infinity.bfloat16 == 0x7F80)
        #expect((-Float.infinity).bfloat16 == 0xFF80)
        #expect((-Float.zero).bfloat16 == 0x8000)
        #expect(Float(bitPattern: UInt32(Float(bitPattern: 0x7F80_0001).bfloat16) << 16).isNaN)
    }
}
