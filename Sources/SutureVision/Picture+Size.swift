import SutureModels

extension Picture {
    /// The picture in another size: each pixel is a mean of those around its place, weighed by a triangle (bilinear) or by
    /// Keys' cubic with a = -0.5 (bicubic), which is as wide as a new pixel where the picture shrinks (antialiasing). First
    /// along the rows, then along the columns, to the last bit as Pillow and torchvision do.
    public func resized(height newHeight: Int, width newWidth: Int, filter: ImageFit.Filter = .bilinear) throws
        -> Picture
    {
        try Self.check(newHeight, newWidth)
        if (newHeight, newWidth) == (height, width) { return self }
        var narrow = pixels
        if newWidth != width {
            narrow = Self.resampled(pixels, rows: channels * height, count: width, step: 1, to: newWidth, filter)
        }
        if newHeight != height {
            narrow = Self.resampled(narrow, rows: channels, count: height, step: newWidth, to: newHeight, filter)
        }
        return Picture(pixels: narrow, channels: channels, height: newHeight, width: newWidth)
    }

    /// The picture with its shorter side so long, in torchvision's proportions: the longer side is cut to a whole pixel.
    func resized(shorter: Int, filter: ImageFit.Filter) throws -> Picture {
        let longer = shorter * max(height, width) / min(height, width)
        return height < width
            ? try resized(height: shorter, width: longer, filter: filter)
            : try resized(height: longer, width: shorter, filter: filter)
    }

    /// The middle of the picture; where a pixel is left over, half of it is rounded to even, as torchvision does.
    ///
    /// Throws ``VisionError`` with code `badRequest` if it is smaller.
    public func cropped(height newHeight: Int, width newWidth: Int) throws -> Picture {
        try Self.check(newHeight, newWidth)
        guard newHeight <= height, newWidth <= width else {
            throw VisionError(
                .badRequest, "a picture is smaller than it shall be cropped to", expected: "\(newHeight) x \(newWidth)",
                found: "\(height) x \(width)")
        }
        func start(_ whole: Int, _ part: Int) -> Int {
            Int((Double(whole - part) / 2).rounded(.toNearestOrEven))
        }
        let (top, left) = (start(height, newHeight), start(width, newWidth))
        var result: [UInt8] = []
        result.reserveCapacity(channels * newHeight * newWidth)
        for channel in 0..<channels {
            for row in top..<top + newHeight {
                let first = (channel * height + row) * width + left
                result += pixels[first..<first + newWidth]
            }
        }
        return Picture(pixels: result, channels: channels, height: newHeight, width: newWidth)
    }

    /// The picture in the middle of a larger black one; an odd pixel more is below and to the right.
    ///
    /// Throws ``VisionError`` with code `badRequest` if it is larger already.
    public func padded(height newHeight: Int, width newWidth: Int) throws -> Picture {
        try Self.check(newHeight, newWidth)
        guard newHeight >= height, newWidth >= width else {
            throw VisionError(
                .badRequest, "a picture is larger than it shall be padded to", expected: "\(newHeight) x \(newWidth)",
                found: "\(height) x \(width)")
        }
        var result = [UInt8](repeating: 0, count: channels * newHeight * newWidth)
        let (down, right) = ((newHeight - height) / 2, (newWidth - width) / 2)
        for row in 0..<channels * height {
            let start = ((row / height * newHeight) + down + row % height) * newWidth + right
            result.replaceSubrange(start..<start + width, with: pixels[row * width..<(row + 1) * width])
        }
        return Picture(pixels: result, channels: channels, height: newHeight, width: newWidth)
    }

    private static func check(_ height: Int, _ width: Int) throws {
        guard height > 0, width > 0, height <= limit / width else {
            throw VisionError(
                .badRequest, "the size of a picture is out of range", expected: "1...\(limit) pixels",
                found: "\(height) x \(width)")
        }
    }

    /// Makes `count` elements into `size`, in each of `rows` blocks; an element is `step` bytes, each on its own.
    private static func resampled(
        _ source: [UInt8], rows: Int, count: Int, step: Int, to size: Int, _ filter: ImageFit.Filter
    )
        -> [UInt8]
    {
        let means = (0..<size).map { Mean($0, of: size, from: count, filter) }
        return [UInt8](unsafeUninitializedCapacity: rows * size * step) { result, made in
            source.withUnsafeBufferPointer { source in
                for row in 0..<rows {
                    for (place, mean) in means.enumerated() {
                        for offset in 0..<step {
                            // A half, so that cutting rounds; weights are in units of 2^-22.
                            var sum = 1 << 21
                            var from = (row * count + mean.first) * step + offset
                            for weight in mean.weights {
                                sum += Int(source[from]) * weight
                                from += step
                            }
                            result[(row * size + place) * step + offset] = UInt8(max(0, min(255, sum >> 22)))
                        }
                    }
                }
            }
            made = rows * size * step
        }
    }

    /// Which elements a new one is the mean of, and with what weights.
    private struct Mean {
        let first: Int
        let weights: [Int]

        init(_ place: Int, of size: Int, from count: Int, _ filter: ImageFit.Filter) {
            let scale = Double(count) / Double(size)
            let stretch = max(1, scale)
            let reach = stretch * filter.reach
            let middle = (Double(place) + 0.5) * scale
            first = max(0, Int(middle - reach + 0.5))
            let end = min(count, Int(middle + reach + 0.5))
            let curve = (first..<end).map { filter.weight((Double($0) - middle + 0.5) * (1 / stretch)) }
            let total = curve.reduce(0, +)
            weights = curve.map { Int(($0 / total * Double(1 << 22)).rounded()) }
        }
    }
}

extension ImageFit.Filter {
    /// How far from its place a pixel counts, where nothing shrinks.
    fileprivate var reach: Double { self == .bilinear ? 1 : 2 }

    /// How much a pixel at this distance counts.
    fileprivate func weight(_ distance: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .bilinear: return max(0, 1 - x)
        case .bicubic:
            let a = -0.5
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
        }
    }
}
