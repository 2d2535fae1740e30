import SutureTensor
import Testing

@Suite("Element types")
struct ConversionTests {
    @Test("hold small whole numbers exactly, from each to each", arguments: DType.allCases, DType.allCases)
    func roundTrip(from: DType, to: DType) throws {
        let numbers: [Double] = from == .bool || to == .bool ? [0, 1, 1, 0] : [0, 1, 2, 127]
        let source = try Tensor(numbers).to(from)
        #expect(source.dtype == from)
        let converted = try source.to(to)
        #expect(converted.dtype == to)
        try expect(converted, numbers)
        try expect(converted.to(from), numbers)
    }

    @Test("bfloat16 rounds to the nearest, ties to even, as the upper half of a float32")
    func bfloat16() throws {
        let numbers: [Float] =
            [
                1 + 1 / 256, 1 + 3 / 256, 1.004, 3.14159274, -65537, Float.leastNonzeroMagnitude,
                .greatestFiniteMagnitude, .infinity
            ]
            + (try RandomSource(seed: 4).normal([200]).floats())
        let expected = numbers.map { number in
            let bits = number.bitPattern
            return Double(Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000))
        }
        try expect(Tensor(numbers).to(.bfloat16), expected, tolerance: 0)
    }

    @Test("float16 rounds to 11 bits and overflows beyond 65504")
    func float16() throws {
        try expect(
            Tensor([1 + 1.0 / 2048, 1 + 3.0 / 2048, 0.1, 65504, 65520, 1e-8]).to(.float16),
            [1, 1 + 4.0 / 2048, 0.0999755859375, 65504, .infinity, 0], tolerance: 0)
    }

    @Test("whole numbers survive where they fit, and fractions are cut toward zero")
    func integers() throws {
        let large = [Int.max, Int.min, 1 << 53 + 1, -1]
        #expect(try Tensor(large).ints() == large)
        #expect(try Tensor([Int32.max, Int32.min]).elements(as: Int32.self) == [.max, .min])
        #expect(try Tensor([UInt8(0), 255]).ints() == [0, 255])
        #expect(try Tensor([1.9, -1.9]).ints() == [1, -1])
        try expect(Tensor([0.5, 0, -3]).to(.bool), [1, 0, 1])
        #expect(try (Tensor([1, 2]) / Tensor([2, 2])).dtype == .float32)
    }

    @Test("know their width")
    func widths() {
        let widths = DType.allCases.map(\.byteWidth)
        #expect(widths == [4, 8, 2, 2, 8, 4, 1, 1])
    }
}
