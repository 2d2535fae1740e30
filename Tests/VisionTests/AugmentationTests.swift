import SutureTensor
import SutureVision
import Testing

@Suite("Augmentation moves images and nothing else")
struct AugmentationTests {
    /// Images with every pixel of another value, `[count, 2, 5, 5]`.
    private func images(_ count: Int) throws -> (tensor: Tensor, pixels: [UInt8]) {
        let pixels = (0..<count).flatMap { _ in (1...50).map { UInt8($0) } }
        return (try Tensor(pixels, shape: [count, 2, 5, 5]), pixels)
    }

    @Test("crops: every image is its source moved by at most the padding, black outside; all moves come up")
    func crops() throws {
        let (tensor, pixels) = try images(200)
        let result: [UInt8] = try Augmentation(padding: 2)(tensor, seed: 1).elements()
        var moves: Set<[Int]> = []
        for image in 0..<200 {
            let own = Array(result[image * 50..<(image + 1) * 50])
            // The middle of an image always stays in sight.
            let place = try #require(own.firstIndex(of: 13))
            let (down, right) = (2 - place / 5, 2 - place % 5)
            moves.insert([down, right])
            for index in 0..<50 {
                let (row, column) = (index / 5 % 5 + down, index % 5 + right)
                let isInside = (0..<5).contains(row) && (0..<5).contains(column)
                #expect(own[index] == (isInside ? pixels[index / 25 * 25 + row * 5 + column] : 0))
            }
        }
        #expect(moves.count == 25)
        #expect(moves.allSatisfy { abs($0[0]) <= 2 && abs($0[1]) <= 2 })
    }

    @Test("flips: half of the images are mirrored")
    func flips() throws {
        let (tensor, pixels) = try images(400)
        let result: [UInt8] = try Augmentation(flips: true)(tensor, seed: 1).elements()
        let mirrored = (0..<50).map { (index: Int) -> UInt8 in pixels[index / 5 * 5 + 4 - index % 5] }
        let kinds = (0..<400).map { Array(result[$0 * 50..<($0 + 1) * 50]) }
        #expect(kinds.allSatisfy { $0 == mirrored || $0 == Array(pixels[..<50]) })
        #expect((150...250).contains(kinds.count { $0 == mirrored }))
    }

    @Test("rotation: the middle stays, a mark keeps its distance, a small angle changes nothing")
    func rotation() throws {
        let size = 21
        var pixels = [UInt8](repeating: 0, count: size * size)
        pixels[10 * size + 10] = 1
        for row in 9...11 { for column in 16...18 { pixels[row * size + column] = 2 } }
        let tensor = try Tensor(pixels, shape: [1, 1, size, size])
        var angles: Set<[Int]> = []
        for seed in 0..<50 {
            let result: [UInt8] = try Augmentation(rotation: 180)(tensor, seed: UInt64(seed)).elements()
            #expect(result[10 * size + 10] == 1)
            let places = result.indices.filter { result[$0] == 2 }
            let row = Double(places.reduce(0) { $0 + $1 / size }) / Double(places.count) - 10
            let column = Double(places.reduce(0) { $0 + $1 % size }) / Double(places.count) - 10
            #expect(abs((row * row + column * column).squareRoot() - 7) < 0.5)
            angles.insert([row > 0 ? 1 : 0, column > 0 ? 1 : 0])
        }
        #expect(angles.count == 4)
        #expect(try Augmentation(rotation: 2)(tensor, seed: 1).elements() == pixels)
    }

    @Test("equal seeds give equal images, and one option does not change what another draws")
    func seeds() throws {
        let tensor = try images(20).tensor
        let all = Augmentation(padding: 1, flips: true, rotation: 30)
        let first: [UInt8] = try all(tensor, seed: 1).elements()
        #expect(try all(tensor, seed: 1).elements() == first)
        #expect(try all(tensor, seed: 2).elements() != first)
        #expect(try Augmentation()(tensor, seed: 1) === tensor)
    }
}
