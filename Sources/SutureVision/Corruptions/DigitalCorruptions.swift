import Foundation

/// What devices and programs do to images.
enum DigitalCorruptions {
    /// (x - mean) · factor + mean, with the mean of each channel.
    static func contrast(factor: Float) -> Effect {
        { image, _ in
            image.update { plane in
                let mean = Float(plane.values.reduce(0.0) { $0 + Double($1) } / Double(plane.count))
                plane.update { ($0 - mean) * factor + mean }
            }
        }
    }

    /// saturation · factor + summand (of hue, saturation, value); grey images have no colour and stay.
    static func saturate(factor: Float, summand: Float) -> Effect {
        { image, _ in
            if image.isGrey { return }
            image.updateColours { red, green, blue in
                let value = max(red, green, blue)
                let chroma = value - min(red, green, blue)
                // Of a grey pixel the hue is taken to be that of red.
                if chroma == 0 {
                    let other = value * (1 - summand)
                    return (value, other, other)
                }
                let wanted = min(chroma * factor + value * summand, value)
                let ratio = wanted / chroma
                return (value - (value - red) * ratio, value - (value - green) * ratio, value - (value - blue) * ratio)
            }
        }
    }

    /// A random affine map, then displacements that are smooth over the image.
    static func elastic(displacement: Float, smoothness: Double, jitter: Float) -> Effect {
        let kernel = GaussianKernel(deviation: smoothness, cutOff: 3)
        return { image, random in
            let corners = random.units(6)
            let (right, down) = (random.units(image.height * image.width), random.units(image.height * image.width))
            image.map(AffineMap(height: image.height, width: image.width, jitter: jitter, units: corners))
            if displacement != 0 { image.displace(right, down, kernel, by: displacement) }
        }
    }

    /// What is left after it was a JPEG file.
    static func jpeg(quality: Int) -> Effect {
        { image, _ in
            var bytes: [UInt8] = []
            image.appendBytes(to: &bytes)
            let (channels, height, width) = (image.planes.count, image.height, image.width)
            let picture = try Picture(pixels: bytes, channels: channels, height: height, width: width)
                .recompressed(quality: quality)
            image = FloatImage(picture.pixels[...], shape: [channels, height, width])
        }
    }

    /// Fewer pixels, each the mean of what it covers, and back to as many as before.
    static func pixelate(share: Double, height: Int, width: Int) -> Effect {
        let (less, narrower) = (max(1, Int(Double(height) * share)), max(1, Int(Double(width) * share)))
        let (rows, columns) = (BoxMeans(from: height, to: less), BoxMeans(from: width, to: narrower))
        let (back, along) = (BoxMeans(from: less, to: height), BoxMeans(from: narrower, to: width))
        return { image, _ in
            image.update { $0 = $0.resized(rows: rows, columns: columns).resized(rows: back, columns: along) }
        }
    }
}

/// The affine map that brings three points around the middle of an image to where they were pushed.
struct AffineMap {
    /// Where a pixel of the result comes from: (a · x + b · y + c, d · x + e · y + f).
    let a, b, c, d, e, f: Double

    /// - Parameters:
    ///   - jitter: How far each point is pushed at most, along each axis.
    ///   - units: Six random numbers in 0..<1: x and y of each point.
    init(height: Int, width: Int, jitter: Float, units: [Float]) {
        let (middleX, middleY) = (Double(width / 2), Double(height / 2))
        let reach = Double(min(height, width) / 3)
        let points = [(1.0, 1.0), (1, -1), (-1, -1)].map { (middleX + $0 * reach, middleY + $1 * reach) }
        let pushed = points.enumerated().map { index, point in
            (
                point.0 + Double(jitter * (2 * units[2 * index] - 1)),
                point.1 + Double(jitter * (2 * units[2 * index + 1] - 1))
            )
        }
        // Back from the pushed points to where they were; without area there is no way back.
        let (ux, uy) = (pushed[0].0 - pushed[1].0, pushed[0].1 - pushed[1].1)
        let (vx, vy) = (pushed[2].0 - pushed[1].0, pushed[2].1 - pushed[1].1)
        let area = ux * vy - uy * vx
        guard reach > 0, abs(area) > 1e-6 else {
            (a, b, c, d, e, f) = (1, 0, 0, 0, 1, 0)
            return
        }
        // points[0] - points[1] is (0, 2 reach), points[2] - points[1] is (-2 reach, 0).
        (a, b) = (2 * reach * uy / area, -2 * reach * ux / area)
        (d, e) = (2 * reach * vy / area, -2 * reach * vx / area)
        c = points[1].0 - a * pushed[1].0 - b * pushed[1].1
        f = points[1].1 - d * pushed[1].0 - e * pushed[1].1
    }
}

extension FloatImage {
    /// The image under an affine map, mirrored beyond its edges.
    mutating func map(_ map: AffineMap) {
        var (down, right): ([Float], [Float]) = ([], [])
        down.reserveCapacity(height * width)
        right.reserveCapacity(height * width)
        for row in 0..<height {
            for column in 0..<width {
                let (x, y) = (Double(column), Double(row))
                right.append(Float(map.a * x + map.b * y + map.c))
                down.append(Float(map.d * x + map.e * y + map.f))
            }
        }
        resample(down: down, right: right, .mirror)
    }

    /// Each pixel from a place nearby: noise in -1...1, smoothed, times `size`.
    ///
    /// - Parameters:
    ///   - right: Random numbers in 0..<1, one for each pixel, for how far to the right its colour is taken from.
    ///   - down: The same for how far down.
    ///   - kernel: What the noise is smoothed with.
    ///   - size: What the smoothed noise is multiplied by.
    mutating func displace(_ right: [Float], _ down: [Float], _ kernel: GaussianKernel, by size: Float) {
        let (height, width) = (height, width)
        let places = [right, down].enumerated().map { axis, units in
            var field = Plane(height: height, width: width, values: units)
            field.update { 2 * $0 - 1 }
            field = field.blurred(kernel, .reflect)
            field.values.withUnsafeMutableBufferPointer { values in
                for row in 0..<height {
                    for column in 0..<width {
                        let index = row * width + column
                        values[index] = Float(axis == 0 ? column : row) + size * values[index]
                    }
                }
            }
            return field.values
        }
        resample(down: places[1], right: places[0], .reflect)
    }
}

extension Plane {
    /// The plane of bytes in another size, each pixel the mean of those whose middles it covers, rounded after each axis:
    /// the box filter of Pillow.
    fileprivate func resized(rows: BoxMeans, columns: BoxMeans) -> Plane {
        columns.narrowed(self).values.withUnsafeBufferPointer { rows.stacked($0, width: columns.spans.count) }
    }
}

/// What the rows or the columns of a plane become in another number.
private struct BoxMeans: Sendable {
    /// The pixels whose mean a pixel of another size becomes.
    struct Span {
        let range: Range<Int>
        let factor: Float
    }
    let spans: [Span]
    private let old: Int

    init(from old: Int, to new: Int) {
        self.old = old
        let scale = Double(old) / Double(new)
        let reach = max(scale, 1) / 2
        spans = (0..<new).map { index in
            let middle = (Double(index) + 0.5) * scale
            let first = max(0, Int(middle - reach + 0.5))
            let last = min(old, Int(middle + reach + 0.5))
            // Pillow leaves a pixel out whose middle lies at the very beginning of the box.
            let inside = (first..<last).filter { place in
                let distance = (Double(place) - middle + 0.5) / max(scale, 1)
                return distance > -0.5 && distance <= 0.5
            }
            let range = inside.isEmpty ? first..<max(first + 1, last) : inside[0]..<inside[inside.count - 1] + 1
            return Span(range: range, factor: 1 / Float(range.count))
        }
    }

    /// Each row in another width.
    func narrowed(_ plane: Plane) -> Plane {
        if spans.count == old { return plane }
        let width = spans.count
        let means = [Float](unsafeUninitializedCapacity: plane.height * width) { buffer, initialized in
            let target = UnsafeMutableBufferPointer(rebasing: buffer[..<(plane.height * width)])
            plane.values.withUnsafeBufferPointer { source in
                spans.withUnsafeBufferPointer { spans in
                    for row in 0..<plane.height {
                        let (from, to) = (row * old, row * width)
                        for column in 0..<width {
                            let span = spans[column]
                            var sum = source[from + span.range.lowerBound]
                            for place in span.range.dropFirst() { sum += source[from + place] }
                            target[to + column] = (sum * span.factor).nearest
                        }
                    }
                }
            }
            initialized = plane.height * width
        }
        return Plane(height: plane.height, width: width, values: means)
    }

    /// The rows of a plane of this width in another number.
    func stacked(_ source: UnsafeBufferPointer<Float>, width: Int) -> Plane {
        let values = [Float](unsafeUninitializedCapacity: spans.count * width) { buffer, initialized in
            for (row, span) in spans.enumerated() {
                let target = UnsafeMutableBufferPointer(rebasing: buffer[row * width..<(row + 1) * width])
                _ = target.initialize(from: source[span.range.lowerBound * width..<(span.range.lowerBound + 1) * width])
                if span.range.count == 1 { continue }
                for place in span.range.dropFirst() {
                    for column in 0..<width { target[column] += source[place * width + column] }
                }
                for column in 0..<width { target[column] = (target[column] * span.factor).nearest }
            }
            initialized = spans.count * width
        }
        return Plane(height: spans.count, width: width, values: values)
    }
}
