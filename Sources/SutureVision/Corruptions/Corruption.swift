import Foundation
import SutureFormats
import SutureTensor

/// A corruption of images by so much, as ImageNet-C, Tiny-ImageNet-C and CIFAR-C do (Hendrycks & Dietterich 2019).
///
/// Written as text it is `fog:3`, or `fog:3:imagenet` with another profile than `cifar`.
public struct Corruption: Sendable, Hashable, Codable {
    /// What is done.
    public var kind: Kind
    /// How much of it, 1...5.
    public var severity: Int
    /// The size of images that the amounts are meant for.
    public var profile: Profile

    /// A kind of corruption at a severity of 1...5.
    public init(_ kind: Kind, severity: Int, profile: Profile = .cifar) {
        self.kind = kind
        self.severity = severity
        self.profile = profile
    }

    /// Which data set's amounts are taken.
    public enum Profile: String, Sendable, Hashable, Codable, CaseIterable {
        /// CIFAR-10-C and CIFAR-100-C: 32x32 pixels.
        case cifar
        /// Tiny-ImageNet-C: 64x64 pixels.
        case tiny
        /// ImageNet-C: 224x224 pixels.
        case imagenet
    }

    /// The images after this corruption, of the same shape.
    ///
    /// Each image has random numbers of its own, from the seed and its place in the batch: equal seeds give equal
    /// images, on any number of threads.
    ///
    /// - Parameters:
    ///   - pixels: `[count, channels, height, width]`, uint8, with one channel (grey) or three (red, green, blue).
    ///   - seed: What the random numbers come from.
    ///   - textures: Pictures of ice that `frost` takes instead of those that it makes.
    /// - Throws: ``VisionError`` for pixels of another type or shape, and for a severity that is not in 1...5,
    ///   and with code `tooLarge` for images that cannot be changed in the memory there is.
    public func callAsFunction(_ pixels: Tensor, seed: UInt64, frost textures: [Picture] = []) throws -> Tensor {
        try check(pixels)
        if pixels.count == 0 { return pixels }
        try requireMemory(for: pixels.shape, threads: Runtime.threads)
        return try applied(to: pixels, seed: seed, frost: textures)
    }

    private func check(_ pixels: Tensor) throws {
        guard (1...5).contains(severity) else {
            throw VisionError(
                .badRequest, "there is no such severity", subject: kind.rawValue, expected: "1...5",
                found: "\(severity)")
        }
        guard pixels.dtype == .uint8, pixels.rank == 4, pixels.shape[1] == 1 || pixels.shape[1] == 3 else {
            throw VisionError(
                .mismatch, "these are no images", expected: "uint8 [count, 1 or 3, height, width]",
                found: "\(pixels.dtype.rawValue) \(pixels.shape)")
        }
    }

    /// The images after this corruption, where it was asked before the work whether there is memory for all of it: during
    /// the work, what is kept for reuse is not free.
    func applied(to pixels: Tensor, seed: UInt64, frost textures: [Picture] = []) throws -> Tensor {
        try check(pixels)
        if pixels.count == 0 { return pixels }
        let effect = try effect(height: pixels.shape[2], width: pixels.shape[3], frost: textures)
        let source: [UInt8] = try pixels.elements()
        let (count, size) = (pixels.shape[0], source.count / pixels.shape[0])
        // Small images are handed out in packs, so that a thread has something to do.
        let pack = max(1, 65536 / size)
        let parts = try Parallel.map(Array(stride(from: 0, to: count, by: pack)), threads: Runtime.threads) { start in
            var part: [UInt8] = []
            part.reserveCapacity(pack * size)
            for index in start..<min(start + pack, count) {
                var image = FloatImage(source[index * size..<(index + 1) * size], shape: Array(pixels.shape[1...]))
                var random = RandomStream(seed: seed, index: index)
                try effect(&image, &random)
                image.appendBytes(to: &part)
            }
            return part
        }
        var result: [UInt8] = []
        result.reserveCapacity(source.count)
        for part in parts { result.append(contentsOf: part) }
        return try Tensor(result, shape: pixels.shape)
    }
}

extension Corruption: LosslessStringConvertible {
    /// `fog:3` or `fog:3:tiny`; nil for what names no corruption or no severity in 1...5.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), let kind = Kind(rawValue: parts[0]), let severity = Int(parts[1]),
            (1...5).contains(severity), let profile = parts.count == 3 ? Profile(rawValue: parts[2]) : .cifar
        else { return nil }
        self.init(kind, severity: severity, profile: profile)
    }

    public var description: String {
        "\(kind.rawValue):\(severity)" + (profile == .cifar ? "" : ":\(profile.rawValue)")
    }
}
