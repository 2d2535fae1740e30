import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@testable import SutureVision

/// Images by numpy, scipy, scikit-image, OpenCV and Pillow (`Tests/Goldens/generate/corruptions.py`).
@Suite("Corruptions equal those of the reference, given its random numbers")
struct CorruptionGoldenTests {
    private let file: SafetensorsFile

    init() throws { file = try SafetensorsFile(Goldens.url("corruptions/images.safetensors")) }

    private func image(_ name: String) throws -> (bytes: [UInt8], shape: [Int]) {
        let entry = try #require(file[name], "\(name)")
        return (file.bytes(of: entry).withUnsafeBytes { [UInt8]($0) }, entry.shape)
    }

    /// The numbers in 0..<1 that the script takes.
    private func units(_ count: Int, from shift: Int = 0) -> [Float] {
        (shift..<shift + count).map { n in
            let n = UInt64(n)
            return Float((n &* n &* 0x9E37_79B9_7F4A_7C15) >> 40) / Float(1 << 24)
        }
    }

    private func normals(_ height: Int, _ width: Int) -> Plane {
        let units = units(12 * height * width)
        let values = (0..<height * width).map { index in
            Float(units[12 * index..<12 * index + 12].reduce(0.0) { $0 + Double($1) } - 6)
        }
        return Plane(height: height, width: width, values: values)
    }

    /// What the corruption does once its random numbers are those of the script.
    private func effect(_ corruption: Corruption, _ height: Int, _ width: Int) throws -> Effect {
        typealias Table = CorruptionTable
        switch corruption.kind {
        case .motionBlur:
            let (radius, deviation) = Table.motionBlur[corruption]
            let line = BlurCorruptions.line(radius: radius, deviation: deviation, degrees: 27)
            return { image, _ in image.update { $0 = $0.weighted(line, .nearest) } }
        case .glassBlur:
            let (deviation, shift, rounds) = Table.glassBlur[corruption]
            let kernel = GaussianKernel(deviation: deviation, cutOff: 4)
            let units = units(2 * rounds * height * width)
            return { image, _ in
                image.update { plane in
                    plane = plane.blurred(kernel, .nearest).wholeNumbers
                    plane.scatter(shift: shift, rounds: rounds, units: units)
                    plane = plane.blurred(kernel, .nearest)
                }
            }
        case .snow:
            let amount = Table.snow[corruption]
            let zoom = MiddleZoom(height: height, width: width, factor: amount.zoom)
            let flakes = WeatherCorruptions.flakes(normals(height, width), amount, zoom, degrees: -100)
            return { image, _ in
                image.whiten(keeping: amount.kept)
                image.update { $0.update(with: flakes) { $0 + $1 } }
            }
        case .fog:
            let (amount, decay) = Table.fog[corruption]
            let side = max(height, width) > 32 ? 64 : 32
            let cloud = WeatherCorruptions.cloud(side: side, decay: decay, units: units(side * side))
            return { image, _ in image.addFog(cloud, amount: amount) }
        case .elasticTransform:
            let (displacement, smoothness, jitter) = Table.elasticTransform[corruption]
            let count = height * width
            let (corners, right, down) = (units(6), units(count, from: 6), units(count, from: 6 + count))
            return { image, _ in
                image.map(AffineMap(height: height, width: width, jitter: jitter, units: corners))
                if displacement != 0 {
                    let kernel = GaussianKernel(deviation: smoothness, cutOff: 3)
                    image.displace(right, down, kernel, by: displacement)
                }
            }
        case .spatter:
            let normals = normals(height, width)
            return { image, _ in SpatterCorruption.add(normals, Table.spatter[corruption], to: &image) }
        default: return try corruption.effect(height: height, width: width)
        }
    }

    /// The images of a kind in the file: how many values they have, and how far ours are from them.
    private func differences(_ kind: Corruption.Kind) throws -> (count: Int, largest: Int) {
        var (count, largest) = (0, 0)
        for name in file.tensors.map(\.name) where name.hasPrefix("\(kind.rawValue):") {
            let corruption = try #require(Corruption(String(name.dropLast(2))))
            let source = try image("\(corruption.profile.rawValue)\(name.suffix(2))")
            var image = FloatImage(source.bytes[...], shape: source.shape)
            var random = RandomStream(seed: 1)
            try effect(corruption, source.shape[1], source.shape[2])(&image, &random)
            var bytes: [UInt8] = []
            image.appendBytes(to: &bytes)
            for (own, other) in zip(bytes, try self.image(name).bytes) {
                largest = max(largest, abs(Int(own) - Int(other)))
            }
            count += bytes.count
        }
        return (count, largest)
    }

    @Test(
        "within one step of 255",
        arguments: [
            Corruption.Kind.gaussianBlur, .defocusBlur, .glassBlur, .motionBlur, .zoomBlur, .snow, .fog, .brightness,
            .contrast, .elasticTransform, .pixelate, .jpegCompression, .spatter, .saturate
        ])
    func exact(kind: Corruption.Kind) throws {
        let found = try differences(kind)
        #expect(found.count > 20_000)
        #expect(found.largest <= 1)
    }
}
