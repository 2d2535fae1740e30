import Foundation

/// A picture of ice, of which a part is laid over an image.
struct FrostTexture: Sendable {
    /// Red, green, blue.
    let planes: [Plane]
    /// The same without colour.
    let grey: Plane
    /// Whether what lies beyond an edge is what lies at the opposite one.
    let isEndless: Bool

    init(_ planes: [Plane], isEndless: Bool) {
        (self.planes, self.isEndless) = (planes, isEndless)
        var grey = planes[0]
        if planes.count == 3 {
            grey.update { 0.2989 * $0 }
            grey.update(with: planes[1]) { $0 + 0.587 * $1 }
            grey.update(with: planes[2]) { $0 + 0.114 * $1 }
        }
        self.grey = grey
    }

    /// A user's picture, made smaller as the profile wants it, but as large as the images at least.
    init(_ picture: Picture, for profile: Corruption.Profile, height: Int, width: Int) throws {
        guard picture.height > 0, picture.width > 0, [1, 3].contains(picture.channels) else {
            throw VisionError(
                .badRequest, "a picture of frost is empty", expected: "1 or 3 channels of pixels",
                found: "\([picture.channels, picture.height, picture.width])")
        }
        let share =
            switch profile {
            case .cifar: 0.2
            case .tiny: 0.3
            case .imagenet: 1.0
            }
        let fit = max(share, Double(height) / Double(picture.height), Double(width) / Double(picture.width))
        let resized = try picture.resized(
            height: max(height, Int(Double(picture.height) * fit)), width: max(width, Int(Double(picture.width) * fit)))
        let image = FloatImage(resized.pixels[...], shape: [resized.channels, resized.height, resized.width])
        let planes = image.isGrey ? Array(repeating: image.planes[0], count: 3) : image.planes
        self.init(planes, isEndless: false)
    }

    /// A random part: three planes, or one.
    func cut(height: Int, width: Int, isGrey: Bool, _ random: inout RandomStream) -> [Plane] {
        let top = random.below(isEndless ? grey.height : grey.height - height + 1)
        let left = random.below(isEndless ? grey.width : grey.width - width + 1)
        return (isGrey ? [grey] : planes).map { plane in
            if top + height <= plane.height, left + width <= plane.width {
                return plane.cropped(top: top, left: left, height: height, width: width)
            }
            let values = (0..<height * width).map { index in
                plane.values[
                    (top + index / width) % plane.height * plane.width + (left + index % width) % plane.width]
            }
            return Plane(height: height, width: width, values: values)
        }
    }
}

// MARK: - Textures that are made

extension FrostTexture {
    /// Five textures for each profile, made once. Their mean colours and deviations are those of the photographs that the
    /// data sets were made with.
    static func made(for profile: Corruption.Profile) -> [FrostTexture] {
        switch profile {
        case .cifar: small
        case .tiny: middle
        case .imagenet: large
        }
    }

    private static let small = make(side: 128, needle: 5)
    private static let middle = make(side: 256, needle: 8)
    private static let large = make(side: 512, needle: 24)

    private struct Style {
        let red, green, blue: Float
        /// Below zero where the needles are darker than the rest.
        let deviation: Float
        /// How much of the variance is needles; the rest is a cloud.
        let needles: Float
    }

    private static let styles = [
        Style(red: 78, green: 149, blue: 166, deviation: 18, needles: 0.3),
        Style(red: 201, green: 205, blue: 214, deviation: -22, needles: 0.7),
        Style(red: 201, green: 205, blue: 214, deviation: -22, needles: 0.9),
        Style(red: 138, green: 153, blue: 165, deviation: 29, needles: 0.8),
        Style(red: 112, green: 123, blue: 135, deviation: 43, needles: 0.6)
    ]

    private static func make(side: Int, needle: Float) -> [FrostTexture] {
        styles.enumerated().map { index, style in
            var random = RandomStream(seed: 0xF057, index: index)
            var relief = crystals(side: side, needle: needle, &random)
            let cloud = WeatherCorruptions.cloud(side: side, decay: 2, units: random.units(side * side)).standardized
            let (share, rest) = (style.needles.squareRoot(), (1 - style.needles).squareRoot())
            relief.update(with: cloud) { share * $0 + rest * $1 }
            relief = relief.standardized
            let planes = [style.red, style.green, style.blue].map { mean in
                var plane = relief
                plane.update { min(max(mean + style.deviation * $0, 0), 255) }
                return plane
            }
            return FrostTexture(planes, isEndless: true)
        }
    }

    /// Stars of thin rays, bright or dark, which thin out towards their ends.
    private static func crystals(side: Int, needle: Float, _ random: inout RandomStream) -> Plane {
        var plane = Plane(height: side, width: side)
        // So many that every place is covered by about four rays.
        let count = Int(4 * Float(side * side) / (needle * 6 * 2))
        for _ in 0..<count {
            let (row, column) = (Float(side) * random.unit(), Float(side) * random.unit())
            let turn = Float.pi * random.unit()
            let brightness = random.unit() < 0.6 ? 1 : -0.7 as Float
            for ray in 0..<6 {
                let angle = turn + Float(ray) * .pi / 3 + 0.5 * (random.unit() - 0.5)
                let length = needle * (0.4 + 1.2 * random.unit())
                var distance: Float = 0
                while distance < length {
                    let y = Int((row + distance * sin(angle)).rounded())
                    let x = Int((column + distance * cos(angle)).rounded())
                    plane.values[(y & (side - 1)) * side + (x & (side - 1))] += brightness * (1 - distance / length)
                    distance += 1
                }
            }
        }
        return plane.standardized
    }
}

extension Plane {
    /// The same with mean 0 and deviation 1, but for what is more than three deviations away.
    fileprivate var standardized: Plane {
        let mean = values.reduce(0, +) / Float(count)
        let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(count)).squareRoot()
        var result = self
        result.update { min(max(($0 - mean) / max(deviation, 1e-6), -3), 3) }
        return result
    }
}
