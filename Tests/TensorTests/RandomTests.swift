import SutureTensor
import Testing

@Suite("Random numbers come from their seed")
struct RandomTests {
    @Test("the same seed gives the same numbers, another one others")
    func seeds() throws {
        func numbers(_ seed: UInt64) throws -> [Float] { try RandomSource(seed: seed).normal([50]).floats() }
        #expect(try numbers(7) == numbers(7))
        #expect(try numbers(7) != numbers(8))
        #expect(try numbers(.max) != numbers(0))
        let source = try RandomSource(seed: 7)
        #expect(try source.normal([50]).floats() != source.normal([50]).floats())
    }

    @Test("the first numbers are those of torch 2.13.0 with torch.manual_seed(0)")
    func golden() throws {
        try expect(RandomSource(seed: 0).normal([4]), [1.5409961, -0.2934289, -2.1787894, 0.56843126], tolerance: 1e-6)
        try expect(
            RandomSource(seed: 0).uniform([4]), [0.49625659, 0.7682218, 0.088477433, 0.13203049], tolerance: 1e-7)
        #expect(try RandomSource(seed: 0).permutation(8) == [4, 0, 7, 3, 2, 5, 1, 6])
    }

    @Test("normal numbers have mean 0 and variance 1, uniform ones fill 0..<1")
    func moments() throws {
        let source = try RandomSource(seed: 3)
        let normal = try source.normal([100_000])
        #expect(try abs(normal.mean().item()) < 0.015)
        #expect(try abs(normal.square().mean().item() - 1) < 0.02)
        let uniform = try source.uniform([100_000])
        #expect(try abs(uniform.mean().item() - 0.5) < 0.005)
        #expect(try uniform.min().item() >= 0)
        #expect(try uniform.max().item() < 1)
        #expect(try abs((uniform - 0.5).square().mean().item() - 1.0 / 12) < 0.002)
    }

    @Test("a permutation holds each number once")
    func permutation() throws {
        let order = try RandomSource(seed: 1).permutation(1000)
        #expect(order.sorted() == Array(0..<1000))
        #expect(order != Array(0..<1000))
        #expect(try RandomSource(seed: 1).permutation(0) == [])
    }
}
