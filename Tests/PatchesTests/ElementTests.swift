import SutureFormats
import Testing

@testable import SuturePatches

@Suite("Elements")
struct ElementTests {
    @Test("every float16 reads as what it is, and is written back")
    func float16RoundTrip() {
        for bits in UInt16.min...UInt16.max {
            let value = Float(float16: bits)
            let reference = Float(Float16(bitPattern: bits))
            if reference.isNaN {
                #expect(value.isNaN && Float(float16: value.float16).isNaN)
            } else {
                #expect(value.bitPattern == reference.bitPattern)
                #expect(value.float16 == bits)
            }
        }
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
