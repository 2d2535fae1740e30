import Foundation
import SutureTensor
import Testing

@testable import SutureVision

@Suite("Noise has the distributions that its numbers say")
struct NoiseTests {
    /// Mean and variance.
    private func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
    }

    /// A grey plane of one value before and after, in 0...1.
    private func outcomes(_ effect: Effect, value: UInt8, side: Int = 400) throws -> [Double] {
        let bytes = [UInt8](repeating: value, count: side * side)
        var image = FloatImage(bytes[...], shape: [1, side, side])
        var random = RandomStream(seed: 3)
        try effect(&image, &random)
        return image.planes[0].values.map { Double($0) / 255 }
    }

    @Test("normal numbers: moments up to the fourth, and the share in every part of the line, the tail too")
    func normals() {
        var random = RandomStream(seed: 7)
        let count = 2_000_000
        let values = random.normals(count).map(Double.init)
        let scale = 1 / Double(count).squareRoot()
        let powers = (1...4).map { power in values.reduce(0) { $0 + pow($1, Double(power)) } / Double(count) }
        // The deviations of the sample moments are 1, √2, √15 and √96 over √count.
        for (power, (expected, deviation)) in zip(powers, [(0.0, 1.0), (1, 2), (0, 15), (3, 96)]) {
            #expect(abs(power - expected) < 4.5 * deviation.squareRoot() * scale)
        }
        let edges = [-4.5, -4, -3.7, -3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0, 0.25, 0.75, 1.25, 2.2, 3.2, 3.6, 3.8, 4.2]
        for edge in edges {
            let share = erfc(-edge / 2.0.squareRoot()) / 2
            let found = Double(values.count { $0 < edge }) / Double(count)
            #expect(abs(found - share) < 4.5 * (share * (1 - share)).squareRoot() * scale + 1e-7, "\(edge)")
        }
    }

    @Test("gaussian and speckle noise: the mean stays, the deviation is that of the table", arguments: [0.04, 0.2, 0.6])
    func gaussian(deviation: Double) throws {
        let noise = try moments(outcomes(NoiseCorruptions.gaussian(deviation: Float(deviation)), value: 102))
        #expect(abs(noise.mean - 0.4) < 0.012 * deviation)
        #expect(abs(noise.variance.squareRoot() / deviation - 1) < 0.01)
        let speckle = try moments(outcomes(NoiseCorruptions.speckle(deviation: Float(deviation)), value: 102))
        #expect(abs(speckle.mean - 0.4) < 0.012 * deviation)
        #expect(abs(speckle.variance.squareRoot() / (0.4 * deviation) - 1) < 0.01)
    }

    @Test(
        "shot noise: Poisson mean and variance, whole photons, the shares of a Poisson distribution",
        arguments: [3, 60, 500])
    func shot(photons: Double) throws {
        for value: UInt8 in [0, 1, 100, 255] {
            let x = Double(value) / 255
            let counts = try outcomes(NoiseCorruptions.shot(photons: photons), value: value).map { $0 * photons }
            #expect(counts.allSatisfy { abs($0 - $0.rounded()) < 1e-3 })
            let (mean, variance) = moments(counts)
            #expect(abs(mean - photons * x) < 4.5 * (photons * x / Double(counts.count)).squareRoot() + 1e-9)
            #expect(abs(variance - photons * x) < 0.02 * photons * x + 1e-9)
            if value == 100 {
                for count in stride(from: 0, through: 2 * Int(photons * x), by: max(1, Int(photons) / 40)) {
                    let k = Double(count)
                    let share = exp(k * log(photons * x) - photons * x - lgamma(k + 1))
                    let found = Double(counts.count { $0.rounded() == k }) / Double(counts.count)
                    #expect(abs(found - share) < 4.5 * (share / Double(counts.count)).squareRoot() + 1e-5)
                }
            }
        }
    }

    @Test("impulse noise: the share is replaced, half by black and half by white; channels by themselves")
    func impulse() throws {
        let values = try outcomes(NoiseCorruptions.impulse(share: 0.17), value: 102)
        let (black, white) = (values.count { $0 == 0 }, values.count { $0 == 1 })
        #expect(values.count { abs($0 - 0.4) < 1e-6 } == values.count - black - white)
        #expect(abs(Double(black) / Double(values.count) - 0.085) < 0.004)
        #expect(abs(Double(white) / Double(values.count) - 0.085) < 0.004)
        var colour = FloatImage(ArraySlice(repeating: 100, count: 3 * 10_000), shape: [3, 100, 100])
        var random = RandomStream(seed: 1)
        try NoiseCorruptions.impulse(share: 0.1)(&colour, &random)
        let hit = (0..<10_000).count { colour.planes[0].values[$0] != 100 && colour.planes[1].values[$0] != 100 }
        #expect((50...160).contains(hit))
    }

    @Test("images are cut at black and white and rounded down; what is whole stays so")
    func bytes() {
        let values: [Float] = [-3, -0.001, 0, 0.5, 0.9999, 1, 99.99, 99.9999, 100, 254.99, 255, 300]
        let plane = Plane(height: 1, width: values.count, values: values)
        #expect(plane.bytes == [0, 0, 0, 0, 1, 1, 99, 100, 100, 254, 255, 255])
        let all = Plane(height: 1, width: 256, values: (0...255).map { Float($0) })
        #expect(all.bytes == Array(0...255))
    }
}
