import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import SutureVision
import Testing

@Suite("Sets of images are written so that they read back")
struct WritingTests {
    private func set(channels: Int, classes: [String] = ["dog", "cat", "10", "9"]) throws -> ImageSet {
        let pixels = (0..<6 * channels * 12).map { UInt8($0 * 7 % 256) }
        return ImageSet(
            pixels: try Tensor(pixels, shape: [6, channels, 3, 4]), labels: [3, 0, 2, 2, 0, 1], classes: classes)
    }

    @Test("an array is the same set", arguments: [1, 3])
    func array(channels: Int) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "set")
            let images = try set(channels: channels)
            try images.write(to: url, as: .arrays)
            let read = try ImageSet(contentsOf: url.appending(path: "images.npy"), split: .test)
            #expect(read.labels == images.labels && read.classes == images.classes)
            #expect(read.pixels.shape == images.pixels.shape)
            #expect(try read.pixels.elements() as [UInt8] == images.pixels.elements())
        }
    }

    @Test("folders have the same images in the same classes", arguments: [1, 3])
    func folders(channels: Int) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "set")
            let images = try set(channels: channels)
            try images.write(to: url, as: .folders)
            let read = try ImageSet(contentsOf: url, split: .train)
            // Images come by the names of the folders (10, 9, cat, dog); the classes keep their order.
            let order = [2, 3, 0, 5, 1, 4]
            #expect(read.classes == images.classes && read.labels == order.map { images.labels[$0] })
            #expect(try read.pixels.elements() as [UInt8] == images.subset(order).pixels.elements())
            #expect(FileManager.default.fileExists(atPath: url.appending(path: "9/00000.png").path))
        }
    }

    @Test("nothing is written over, and nothing is left of what cannot be written")
    func refusal() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "set")
            for names in [["a/b", "a-b", "c", "d"], ["..", "b", "c", "d"], ["", "b", "c", "d"], ["a\nb", "b", "c", "d"]]
            {
                #expect(throws: VisionError.self) { try set(channels: 1, classes: names).write(to: url, as: .folders) }
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
            try set(channels: 1, classes: ["T-shirt/top", "b", "c", "d"]).write(to: url, as: .folders)
            #expect(FileManager.default.fileExists(atPath: url.appending(path: "T-shirt-top/00001.png").path))
            #expect(throws: FormatError.self) { try set(channels: 1).write(to: url, as: .arrays) }
        }
    }

    @Test("a contact sheet shows its tiles with larger pixels, in their places")
    func sheet() throws {
        let tile = Picture(pixels: [10, 20, 30, 40], channels: 1, height: 2, width: 2)
        let red = Picture(pixels: [200, 200, 200, 200, 0, 0, 0, 0, 0, 0, 0, 0], channels: 3, height: 2, width: 2)
        var sheet = ContactSheet(columns: ["clean", "1"])
        sheet.add("fog", [tile, nil])
        sheet.add("gaussian noise", [red, tile])
        let picture = sheet.picture()
        // Tiles of 96 pixels, a gap of 8 between them, a margin of 16 on the right and below.
        let plane = picture.height * picture.width
        func pixel(_ row: Int, _ column: Int, x: Int) -> [UInt8] {
            let y = picture.height - 16 - (2 - row) * 104 + 8
            let place = (y + 4) * picture.width + picture.width - 16 - (2 - column) * 104 + 8 + x
            return (0..<3).map { picture.pixels[$0 * plane + place] }
        }
        #expect(picture.channels == 3)
        #expect(pixel(0, 0, x: 4) == [10, 10, 10] && pixel(0, 0, x: 90) == [20, 20, 20])
        #expect(pixel(0, 1, x: 4) == [255, 255, 255])
        #expect(pixel(1, 0, x: 4) == [200, 0, 0] && pixel(1, 1, x: 90) == [20, 20, 20])
        // Letters, left of the tiles and above them, are dark.
        #expect(picture.pixels[..<plane].contains(40))
    }
}
