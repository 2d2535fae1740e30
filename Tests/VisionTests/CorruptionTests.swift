import Foundation
import SutureTensor
import Testing

@testable import SutureVision

@Suite("Corruptions of images")
struct CorruptionTests {
    static let all = Corruption.Kind.allCases.flatMap { kind in
        Corruption.Profile.allCases.flatMap { profile in
            (1...5).map { Corruption(kind, severity: $0, profile: profile) }
        }
    }

    @Test("text names a corruption and is read back; what names none is refused")
    func text() throws {
        for corruption in Self.all { #expect(Corruption(corruption.description) == corruption) }
        #expect(Corruption("fog:3") == Corruption(.fog, severity: 3))
        #expect(Corruption("glass_blur:1:tiny")?.description == "glass_blur:1:tiny")
        for text in ["", "fog", "fog:", "fog:0", "fog:6", "fog:x", "Fog:3", "fog:3:", "fog:3:big", "fog:3:tiny:1", ":3"]
        {
            #expect(Corruption(text) == nil, "\(text)")
        }
        let encoded = try JSONEncoder().encode(Self.all)
        #expect(try JSONDecoder().decode([Corruption].self, from: encoded) == Self.all)
    }

    @Test("there are 19 in four groups, four of them extra")
    func kinds() {
        #expect(Corruption.Kind.allCases.count == 19)
        #expect(Corruption.Kind.allCases.count { $0.isExtra } == 4)
        let main = Corruption.Kind.allCases.filter { !$0.isExtra }
        #expect(Corruption.Group.allCases.map { group in main.count { $0.group == group } } == [3, 4, 4, 4])
    }

    @Test(
        "every one takes grey and colour of any size, keeps the shape and follows its seed",
        arguments: all)
    func shapes(corruption: Corruption) throws {
        for shape in [[2, 3, 20, 32], [2, 1, 32, 20], [1, 3, 1, 1], [1, 1, 3, 2], [1, 3, 1, 40], [0, 3, 8, 8]] {
            var random = RandomStream(seed: 1)
            let count = shape.reduce(1, *)
            let pixels = try Tensor(random.units(count).map { UInt8($0 * 256) }, shape: shape)
            let first = try corruption(pixels, seed: 5)
            #expect(first.shape == shape && first.dtype == .uint8)
            #expect(try first.ints() == corruption(pixels, seed: 5).ints())
        }
    }

    @Test("an image has the same random numbers whatever lies behind it in the batch, and others at another place")
    func streams() throws {
        let images = try Tensor((0..<4 * 3 * 64).map { _ in UInt8(128) }, shape: [4, 3, 8, 8])
        let noise = Corruption(.gaussianNoise, severity: 3)
        let whole = try noise(images, seed: 1)
        #expect(try noise(images.narrowed(0, 0..<2), seed: 1).ints() == whole.narrowed(0, 0..<2).ints())
        let parts = try (0..<4).map { try whole.narrowed(0, $0..<$0 + 1).ints() }
        #expect(Set(parts).count == 4)
        #expect(try noise(images, seed: 2).ints() != whole.ints())
    }

    @Test("what is no image and what is no severity is refused")
    func refusals() throws {
        let image = try Tensor.zeros([1, 3, 4, 4], dtype: .uint8)
        for severity in [0, 6, -1] {
            #expect(throws: VisionError.self) { try Corruption(.contrast, severity: severity)(image, seed: 1) }
        }
        for tensor in try [
            Tensor.zeros([1, 3, 4, 4]), .zeros([3, 4, 4], dtype: .uint8), .zeros([1, 2, 4, 4], dtype: .uint8)
        ] {
            #expect(throws: VisionError.self) { try Corruption(.contrast, severity: 1)(tensor, seed: 1) }
        }
    }
}
