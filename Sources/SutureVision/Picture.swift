import CImages
import Foundation
import SutureFormats

/// One picture in memory, whichever way its file held it.
public struct Picture: Sendable, Equatable {
    /// 1 (grey) or 3 (red, green, blue).
    public let channels: Int
    public let height: Int
    public let width: Int
    /// `[channels, height, width]`, 0...255.
    public let pixels: [UInt8]

    /// A file whose picture has more pixels is refused, before memory is taken for it.
    public static let limit = 1 << 26

    /// Bytes `[height, width, channels]`.
    public init(pixels: [UInt8], channels: Int, height: Int, width: Int) {
        precondition(pixels.count == channels * height * width, "there is not one byte for each pixel and channel")
        (self.pixels, self.channels, self.height, self.width) = (pixels, channels, height, width)
    }
}

// MARK: - Files

extension Picture {
    /// Reads the PNG or JPEG file at `url`.
    ///
    /// Throws a `FormatError` for a file that cannot be read, and else as ``init(decoding:name:)``.
    public init(contentsOf url: URL) throws {
        let file = try MappedFile(url)
        self = try withExtendedLifetime(file) { try Picture(decoding: file.bytes, name: file.name) }
    }

    /// Decodes a PNG or JPEG file, as Pillow's `convert("RGB")` would: alpha is dropped, a palette becomes colours, CMYK
    /// becomes RGB. Grey pictures keep one channel; of 16 bits the upper 8 are kept.
    ///
    /// Throws ``VisionError`` with code `badImages` for anything else, for damage that either format would let pass as
    /// grey areas, and for more than ``limit`` pixels.
    ///
    /// - Parameters:
    ///   - bytes: the whole file.
    ///   - name: what it is called in an error.
    public init(decoding bytes: UnsafeRawBufferPointer, name: String) throws {
        let isPNG = bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        guard isPNG || bytes.starts(with: [0xFF, 0xD8, 0xFF]) else {
            throw VisionError(.badImages, "this is neither a PNG nor a JPEG file", subject: name)
        }
        var made = ci_picture()
        let reason = bytes.withMemoryRebound(to: UInt8.self) { bytes in
            withReason { reason in
                (isPNG ? ci_decode_png : ci_decode_jpeg)(bytes.baseAddress, bytes.count, Self.limit, &made, reason)
            }
        }
        if let reason {
            throw VisionError(
                .badImages, "this \(isPNG ? "PNG" : "JPEG") file cannot be read", subject: name, found: reason)
        }
        defer { free(made.pixels) }
        (channels, height, width) = (Int(made.channels), Int(made.height), Int(made.width))
        pixels = Array(UnsafeBufferPointer(start: made.pixels, count: channels * height * width))
    }

    /// The picture as a PNG file.
    public func png() throws -> [UInt8] {
        try encoded("PNG") { picture, bytes, count, reason in ci_encode_png(picture, bytes, count, reason) }
    }

    /// The picture as a JPEG file of this quality (1...100), with libjpeg's tables and colours at half resolution (4:2:0),
    /// as Pillow writes them.
    public func jpeg(quality: Int) throws -> [UInt8] {
        guard 1...100 ~= quality else {
            throw VisionError(.badRequest, "a quality is out of range", expected: "1...100", found: "\(quality)")
        }
        return try encoded("JPEG") { picture, bytes, count, reason in
            ci_encode_jpeg(picture, Int32(quality), bytes, count, reason)
        }
    }

    /// What is left of the picture after it was a JPEG file of this quality (1...100).
    public func recompressed(quality: Int) throws -> Picture {
        try jpeg(quality: quality).withUnsafeBytes { try Picture(decoding: $0, name: "a JPEG file in memory") }
    }

    private typealias Encoder = (
        UnsafePointer<ci_picture>, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>,
        UnsafeMutablePointer<CChar>
    ) -> Int32

    private func encoded(_ format: String, _ encode: Encoder) throws -> [UInt8] {
        guard channels == 1 || channels == 3, let height = Int32(exactly: height), let width = Int32(exactly: width)
        else {
            throw VisionError(
                .badRequest, "a picture cannot be written as \(format)", expected: "1 or 3 channels",
                found: "\([channels, height, width])")
        }
        var (bytes, count): (UnsafeMutablePointer<UInt8>?, Int) = (nil, 0)
        let reason = pixels.withUnsafeBufferPointer { pixels in
            // Only read from: C has one type for pictures that are read and written.
            let start = UnsafeMutablePointer(mutating: pixels.baseAddress)
            var picture = ci_picture(channels: Int32(channels), height: height, width: width, pixels: start)
            return withReason { reason in encode(&picture, &bytes, &count, reason) }
        }
        if let reason {
            throw VisionError(.badRequest, "a picture cannot be written as \(format)", found: reason)
        }
        defer { free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}

/// Calls a C function that returns 0 or writes why not; nil if it succeeded.
func withReason(_ body: (UnsafeMutablePointer<CChar>) throws -> Int32) rethrows -> String? {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CI_MESSAGE)) { message in
        message.initialize(repeating: 0)
        return try body(message.baseAddress!) == 0 ? nil : String(cString: message.baseAddress!)
    }
}
