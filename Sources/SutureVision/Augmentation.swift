import Foundation
import SutureTensor

/// Random changes that leave the class of an image as it is: each image is drawn its own.
public struct Augmentation: Sendable, Codable, Equatable {
    /// How many black pixels are laid around an image before a crop of its own size is taken.
    public var padding = 0
    /// Whether every other image is mirrored.
    public var flips = false
    /// Up to how many degrees an image is turned either way, about its middle, by nearest pixels, black outside.
    public var rotation = 0.0

    /// Random crops after so many pixels of padding, mirrored images, turns of up to so many degrees.
    public init(padding: Int = 0, flips: Bool = false, rotation: Double = 0) {
        self.padding = padding
        self.flips = flips
        self.rotation = rotation
    }

    /// Images `[batch, channels, height, width]` (uint8) changed at random; equal seeds give equal images.
    public func callAsFunction(_ pixels: Tensor, seed: UInt64) throws -> Tensor {
        if self == Augmentation() { return pixels }
        let (count, channels) = (pixels.shape[0], pixels.shape[1])
        let size = Size(height: pixels.shape[2], width: pixels.shape[3])
        let source: [UInt8] = try pixels.elements()
        var random = SeededGenerator(seed: seed)
        var result = [UInt8](repeating: 0, count: source.count)
        for image in 0..<count {
            let origins = draw(&random).origins(size)
            for channel in 0..<channels {
                let start = (image * channels + channel) * size.count
                for (index, origin) in origins.enumerated() where origin >= 0 {
                    result[start + index] = source[start + Int(origin)]
                }
            }
        }
        return try Tensor(result, shape: pixels.shape)
    }

    private func draw(_ random: inout SeededGenerator) -> Change {
        // Always as many numbers, so that one option does not change what another draws.
        let (down, right) = (random.below(2 * padding + 1) - padding, random.below(2 * padding + 1) - padding)
        let isMirrored = random.below(2) == 1
        let turn = Double(random.below(1 << 30)) / Double(1 << 29) - 1
        return Change(
            down: down, right: right, isMirrored: flips && isMirrored, radians: turn * rotation * .pi / 180)
    }
}

private struct Size {
    let height, width: Int
    var count: Int { height * width }
}

/// What is done to one image: turned, then mirrored, then moved.
private struct Change {
    let down, right: Int
    let isMirrored: Bool
    let radians: Double

    /// For each pixel where it comes from; -1 for outside.
    func origins(_ size: Size) -> [Int32] {
        var origins = [Int32](repeating: -1, count: size.count)
        let (sine, cosine) = (sin(radians), cos(radians))
        let (middleRow, middleColumn) = (Double(size.height - 1) / 2, Double(size.width - 1) / 2)
        for row in 0..<size.height {
            for column in 0..<size.width {
                var (y, x) = (row + down, column + right)
                if isMirrored { x = size.width - 1 - x }
                if radians != 0 {
                    let (dy, dx) = (Double(y) - middleRow, Double(x) - middleColumn)
                    y = Int((middleRow + cosine * dy + sine * dx).rounded())
                    x = Int((middleColumn + cosine * dx - sine * dy).rounded())
                }
                if y >= 0, y < size.height, x >= 0, x < size.width {
                    origins[row * size.width + column] = Int32(y * size.width + x)
                }
            }
        }
        return origins
    }
}
