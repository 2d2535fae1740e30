import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureVision
import Testing

/// What Pillow made of some pictures (`generate/images.py`).
private enum Golden {
    static let file = Result { try SafetensorsFile(Goldens.url("images/images.safetensors")) }

    /// The names after a prefix, such as those of all files.
    static func names(_ prefix: String) -> [String] {
        ((try? file.get().tensors.map(\.name)) ?? []).filter { $0.hasPrefix(prefix) }
            .map { String($0.dropFirst(prefix.count)) }
    }

    static func bytes(_ name: String) throws -> (bytes: [UInt8], shape: [Int]) {
        let file = try file.get()
        let entry = try #require(file[name])
        return (file.bytes(of: entry).withUnsafeBytes { Array($0) }, entry.shape)
    }

    static func picture(_ name: String) throws -> Picture {
        let (bytes, shape) = try bytes(name)
        return Picture(pixels: bytes, channels: shape[0], height: shape[1], width: shape[2])
    }
}

private func decode(_ bytes: [UInt8], name: String = "a.png") throws -> Picture {
    try bytes.withUnsafeBytes { try Picture(decoding: $0, name: name) }
}

@Suite("Pictures are what Pillow makes of them")
struct PictureTests {
    @Test("decoded", arguments: Golden.names("file."))
    func decoding(name: String) throws {
        #expect(try decode(Golden.bytes("file.\(name)").bytes, name: name) == Golden.picture("pixels.\(name)"))
    }

    @Test(
        "recompressed", arguments: ["quality", "grey-quality"], [1, 7, 10, 15, 18, 25, 30, 40, 50, 58, 65, 80, 95, 100])
    func recompression(kind: String, quality: Int) throws {
        var source = try Golden.picture("source")
        if kind == "grey-quality" {
            let plane = Array(source.pixels[..<(source.height * source.width)])
            source = Picture(pixels: plane, channels: 1, height: source.height, width: source.width)
        }
        #expect(try source.recompressed(quality: quality) == Golden.picture("\(kind).\(quality)"))
    }

    @Test("resized", arguments: Golden.names("size."))
    func resizing(name: String) throws {
        let expected = try Golden.picture("size.\(name)")
        let source = try Golden.picture("source")
        #expect(try source.resized(height: expected.height, width: expected.width) == expected)
    }

    @Test("the goldens are there")
    func goldens() {
        #expect(Golden.names("file.").count == 20 && Golden.names("size.").count == 7)
    }

    @Test("PNG keeps every pixel", arguments: [1, 3])
    func png(channels: Int) throws {
        let pixels = (0..<channels * 5 * 7).map { UInt8($0 * 37 % 256) }
        let picture = Picture(pixels: pixels, channels: channels, height: 5, width: 7)
        #expect(try decode(picture.png()) == picture)
    }

    @Test("padding lays black around, an odd pixel below and to the right")
    func padding() throws {
        let picture = Picture(pixels: [1, 2, 3, 4, 5, 6], channels: 2, height: 1, width: 3)
        let padded = try picture.padded(height: 2, width: 6)
        #expect(padded.pixels == [0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(throws: VisionError.self) { try picture.padded(height: 1, width: 2) }
        #expect(throws: VisionError.self) { try picture.resized(height: 0, width: 2) }
        #expect(throws: VisionError.self) { try picture.resized(height: 1 << 40, width: 1 << 40) }
    }
}

/// What torchvision made of some pictures (`generate/preparation.py`).
private enum Prepared {
    static let file = Result { try SafetensorsFile(Goldens.url("preparation/pictures.safetensors")) }

    /// All but the sources: `portrait.bilinear.40.32`.
    static var names: [String] {
        ((try? file.get().tensors.map(\.name)) ?? []).filter { !$0.hasSuffix(".source") }
    }

    static func picture(_ name: String) throws -> Picture {
        let file = try file.get()
        let entry = try #require(file[name])
        let bytes = file.bytes(of: entry).withUnsafeBytes { Array($0) }
        return Picture(pixels: bytes, channels: entry.shape[0], height: entry.shape[1], width: entry.shape[2])
    }
}

@Suite("Pictures of any size are prepared to the bit as torchvision prepares them for ImageNet")
struct PreparationTests {
    @Test("resized and cropped", arguments: Prepared.names)
    func cropped(name: String) throws {
        let parts = name.split(separator: ".").map(String.init)
        let fit = ImageFit.cropped(
            shorter: try #require(Int(parts[2])), crop: try #require(Int(parts[3])),
            filter: try #require(ImageFit.Filter(rawValue: parts[1])))
        let source = try Prepared.picture("\(parts[0]).source")
        let set = ImageSet(
            pixels: try Tensor(source.pixels, shape: [1, 3, source.height, source.width]), labels: [0], classes: ["a"])
        #expect(try set.fitted(fit).pixels.elements() == Prepared.picture(name).pixels)
    }

    @Test("the goldens are there")
    func goldens() {
        #expect(Prepared.names.count == 16)
    }

    @Test("a picture that is too small cannot be cropped")
    func small() throws {
        let picture = Picture(pixels: [1, 2, 3, 4, 5, 6], channels: 1, height: 2, width: 3)
        #expect(try picture.cropped(height: 2, width: 2).pixels == [1, 2, 4, 5])
        #expect(throws: VisionError.self) { try picture.cropped(height: 3, width: 3) }
    }
}

@Suite("Broken and hostile pictures are refused")
struct HostilePictureTests {
    private func refuses(_ bytes: [UInt8], _ comment: Comment? = nil) {
        do {
            _ = try decode(bytes)
            Issue.record("it was read", sourceLocation: #_sourceLocation)
        } catch {
            #expect((error as? VisionError)?.code == .badImages, comment)
        }
    }

    @Test(
        "cut anywhere",
        arguments: ["rgb.png", "interlaced.png", "palette.png", "420.jpg", "progressive.jpg", "cmyk.jpg"])
    func cut(name: String) throws {
        let whole = try Golden.bytes("file.\(name)").bytes
        for count in stride(from: 0, to: whole.count - 2, by: max(1, whole.count / 97)) {
            refuses(Array(whole[..<count]), "\(count) of \(whole.count) bytes")
        }
    }

    @Test("a changed byte never does more than change the picture", arguments: Golden.names("file."))
    func changed(name: String) throws {
        let whole = try Golden.bytes("file.\(name)").bytes
        for place in stride(from: 0, to: whole.count, by: max(1, whole.count / 211)) {
            for change: UInt8 in [0xFF, 0x01] {
                var bytes = whole
                bytes[place] ^= change
                do { _ = try decode(bytes) } catch { #expect(error is VisionError) }
            }
        }
    }

    @Test("a PNG whose data does not have its check sum")
    func checkSum() throws {
        var bytes = try Golden.bytes("file.rgb.png").bytes
        bytes[bytes.count / 2] ^= 1
        refuses(bytes)
    }

    @Test("a size that no memory holds")
    func size() throws {
        var png = try Golden.bytes("file.grey.png").bytes
        // The header's check sum must hold, or the size is not reached.
        png.replaceSubrange(16..<24, with: [0x00, 0x0F, 0x00, 0x00, 0x00, 0x0F, 0x00, 0x00])
        png.replaceSubrange(29..<33, with: checkSum(of: png[12..<29]))
        refuses(png)
        #expect(throws: VisionError.self) { try decode(png) }
        var jpeg = try Golden.bytes("file.444.jpg").bytes
        let frame = try #require((0..<jpeg.count - 1).first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFF, 0x00, 0xFF, 0x00])
        do {
            _ = try decode(jpeg)
            Issue.record("it was read")
        } catch { #expect("\(error)".contains("65280 x 65280 pixels are too many"), "\(error)") }
    }

    @Test("other files", arguments: ["", "GIF89a", "\u{89}PNG", "text"])
    func others(text: String) {
        refuses(Array(text.utf8))
    }

    @Test("pictures that no file can hold")
    func encoding() throws {
        #expect(throws: VisionError.self) { try Picture(pixels: [], channels: 1, height: 0, width: 0).png() }
        #expect(throws: VisionError.self) { try Picture(pixels: [], channels: 3, height: 0, width: 0).jpeg(quality: 5) }
        let flat = Picture(pixels: [UInt8](repeating: 0, count: 70_000), channels: 1, height: 1, width: 70_000)
        #expect(throws: VisionError.self) { try flat.jpeg(quality: 50) }
        #expect(throws: VisionError.self) { try flat.jpeg(quality: 0) }
        #expect(try decode(flat.png()) == flat)
        #expect(throws: VisionError.self) { try Picture(pixels: [1, 2], channels: 2, height: 1, width: 1).png() }
    }

    /// CRC-32 as PNG has it, big endian.
    private func checkSum(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? 0xEDB8_8320 ^ (sum >> 1) : sum >> 1 }
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: ~sum >> (24 - 8 * $0)) }
    }
}
