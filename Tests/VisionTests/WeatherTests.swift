import Foundation
import SutureTensor
import Testing

@testable import SutureVision

@Suite("Blur, weather and digital corruptions as distributions")
struct WeatherTests {
    /// Waves, an edge and a little noise.
    private func images(_ count: Int, channels: Int = 3, side: Int) throws -> Tensor {
        var random = RandomStream(seed: 9)
        var pixels: [UInt8] = []
        for image in 0..<count * channels {
            for row in 0..<side {
                for column in 0..<side {
                    let wave = 90 + 50 * sin(Double(column + image) * 0.5) * cos(Double(row) * 0.4)
                    pixels.append(UInt8(wave) + (row > column ? 80 : 0) + UInt8(random.below(20)))
                }
            }
        }
        return try Tensor(pixels, shape: [count, channels, side, side])
    }

    /// The mean square of what a corruption changes.
    private func distortion(_ corruption: Corruption, _ images: Tensor) throws -> Double {
        let changed: [Double] = try corruption(images, seed: 3).to(.float64).elements()
        let before: [Double] = try images.to(.float64).elements()
        return zip(changed, before).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(before.count)
    }

    // Not in the list: glass blur and elastic transform, whose numbers themselves go up and down; defocus blur, whose disc
    // turns some waves round; and what changes its nature from one severity to the next.
    @Test(
        "a higher severity changes more",
        arguments: [
            Corruption.Kind.gaussianNoise, .shotNoise, .impulseNoise, .speckleNoise, .motionBlur, .zoomBlur,
            .gaussianBlur, .snow, .fog, .brightness, .contrast, .pixelate, .jpegCompression
        ], [Corruption.Profile.cifar, .imagenet])
    func severity(kind: Corruption.Kind, profile: Corruption.Profile) throws {
        let images = try images(profile == .cifar ? 24 : 8, side: profile == .cifar ? 32 : 64)
        let changes = try (1...5).map { try distortion(Corruption(kind, severity: $0, profile: profile), images) }
        #expect(changes == changes.sorted() && changes[0] < 0.8 * changes[4], "\(changes)")
    }

    @Test("every corruption changes images in colour, and grey ones but for their colour", arguments: [1, 3])
    func visible(channels: Int) throws {
        let images = try images(4, channels: channels, side: 32)
        for kind in Corruption.Kind.allCases {
            for severity in 1...5 {
                let change = try distortion(Corruption(kind, severity: severity), images)
                if kind == .saturate, channels == 1 {
                    #expect(change == 0)
                } else if kind == .glassBlur, severity == 1 {
                    // The Gaussian is a single pixel there, but pixels move.
                    #expect(change > 1)
                } else {
                    #expect(change > 0.5, "\(kind.rawValue):\(severity) \(change)")
                }
            }
        }
    }

    @Test("a grey image in three equal channels comes out as the grey one does, where nothing is drawn or coloured")
    func greyAsColour() throws {
        let grey = try images(2, channels: 1, side: 24)
        let colour = try grey.expanded([2, 3, 24, 24]).contiguous()
        for kind: Corruption.Kind in [
            .defocusBlur, .motionBlur, .zoomBlur, .snow, .fog, .brightness, .contrast, .elasticTransform, .pixelate,
            .gaussianBlur, .glassBlur
        ] {
            let corruption = Corruption(kind, severity: 3)
            let one: [Int] = try corruption(grey, seed: 4).elements()
            let three: [Int] = try corruption(colour, seed: 4).narrowed(1, 1..<2).contiguous().elements()
            #expect(zip(one, three).allSatisfy { abs($0 - $1) <= 1 }, "\(kind.rawValue)")
        }
    }

    @Test("fog: a cloud reaches from 0 to 1, and a faster decay makes it smoother")
    func cloud() {
        var roughness: [Float] = []
        for decay: Float in [1.4, 2, 3] {
            var random = RandomStream(seed: 2)
            let cloud = WeatherCorruptions.cloud(side: 64, decay: decay, units: random.units(4096))
            #expect(cloud.values.min() == 0 && cloud.values.max() == 1)
            roughness.append((0..<4095).reduce(0) { $0 + abs(cloud.values[$1 + 1] - cloud.values[$1]) })
        }
        #expect(roughness[0] > roughness[1] && roughness[1] > roughness[2])
    }

    @Test("frost: the textures differ, have the mean and deviation of their photographs, and wrap at their edges")
    func textures() throws {
        let expected: [(mean: [Double], deviation: Double)] = [
            ([78, 149, 166], 18), ([201, 205, 214], 22), ([201, 205, 214], 22), ([138, 153, 165], 29),
            ([112, 123, 135], 43)
        ]
        for profile in Corruption.Profile.allCases {
            for (texture, expected) in zip(FrostTexture.made(for: profile), expected) {
                for (plane, mean) in zip(texture.planes, expected.mean) {
                    let found = plane.values.reduce(0.0) { $0 + Double($1) } / Double(plane.count)
                    #expect(abs(found - mean) < 2)
                }
                let values = texture.grey.values
                let mean = values.reduce(0, +) / Float(values.count)
                let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)).squareRoot()
                #expect(abs(Double(deviation) / expected.deviation - 1) < 0.12)
            }
        }
        var random = RandomStream(seed: 1)
        let texture = FrostTexture.made(for: .cifar)[0]
        let cut = texture.cut(height: 300, width: 200, isGrey: true, &random)[0]
        #expect(cut.values[5 * 200 + 7] == cut.values[133 * 200 + 135])
    }

    @Test("frost takes a user's pictures, large and small, grey and in colour")
    func usersFrost() throws {
        let black = try Tensor.zeros([3, 3, 40, 30], dtype: .uint8)
        let frost = Corruption(.frost, severity: 1, profile: .imagenet)
        for (channels, height, width) in [(1, 500, 400), (3, 500, 400), (3, 7, 300), (1, 1, 1), (3, 40, 30)] {
            let picture = Picture(
                pixels: Array(repeating: 100, count: channels * height * width), channels: channels, height: height,
                width: width)
            #expect(try frost(black, seed: 1, frost: [picture]).ints().allSatisfy { $0 == 40 })
        }
        let empty = Picture(pixels: [], channels: 3, height: 0, width: 4)
        #expect(throws: VisionError.self) { try frost(black, seed: 1, frost: [empty]) }
    }
}
