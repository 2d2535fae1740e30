import Foundation

/// Blurs: each pixel becomes a mean of those around it.
enum BlurCorruptions {
    /// A Gaussian, cut off at four deviations, beyond the edges the nearest pixels (as scikit-image does).
    static func gaussian(deviation: Double) -> Effect {
        let kernel = GaussianKernel(deviation: deviation, cutOff: 4)
        return { image, _ in image.update { $0 = $0.blurred(kernel, .nearest) } }
    }

    /// A disc with a soft edge, beyond the edges a mirror (as OpenCV's `filter2D` does).
    static func defocus(radius: Double, softness: Double) -> Effect {
        let taps = disc(radius: radius, softness: softness)
        return { image, _ in image.update { $0 = $0.weighted(taps, .mirror) } }
    }

    /// The mean of the image and of zoomed ones; it is itself the first of those, so it counts twice.
    static func zoom(count: Int, step: Double, height: Int, width: Int) -> Effect {
        // As numpy's `arange` counts: by the difference of the rounded first two.
        let zooms = (0..<count).map { index in
            MiddleZoom(height: height, width: width, factor: 1 + Double(index) * ((1 + step) - 1))
        }
        return { image, _ in
            image.update { plane in
                var sum = plane
                for zoom in zooms { zoom.add(plane, to: &sum) }
                sum.update { $0 / Float(count + 1) }
                plane = sum
            }
        }
    }

    /// A line from each pixel, at an angle of at most 45 degrees with the rows.
    static func motion(radius: Int, deviation: Double) -> Effect {
        { image, random in
            let line = line(radius: radius, deviation: deviation, degrees: random.number(in: -45...45))
            image.update { $0 = $0.weighted(line, .nearest) }
        }
    }

    /// Half a Gaussian along a line in whole pixels, as ImageMagick moves images.
    static func line(radius: Int, deviation: Double, degrees: Double) -> [Tap] {
        let weights = (0...2 * radius).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
        let sum = weights.reduce(0, +)
        let angle = degrees * .pi / 180
        return weights.enumerated().map { index, weight in
            Tap(
                down: Int((Double(index) * sin(angle) - 0.5).rounded(.up)),
                right: Int((Double(index) * cos(angle) - 0.5).rounded(.up)), weight: Float(weight / sum))
        }
    }

    /// Blurred, its pixels moved about, blurred again.
    static func glass(deviation: Double, shift: Int, rounds: Int) -> Effect {
        let kernel = GaussianKernel(deviation: deviation, cutOff: 4)
        return { image, random in
            let units = random.units(2 * rounds * image.height * image.width)
            image.update { plane in
                plane = plane.blurred(kernel, .nearest).wholeNumbers
                plane.scatter(shift: shift, rounds: rounds, units: units)
                plane = plane.blurred(kernel, .nearest)
            }
        }
    }

    /// The weights of a disc on a grid of 17 rows (more for radii above 8), smoothed by a Gaussian of three rows (five).
    static func disc(radius: Double, softness: Double) -> [Tap] {
        let (reach, smoothing) = radius <= 8 ? (8, 1) : (Int(radius), 2)
        let side = 2 * reach + 1
        var mask = Plane(height: side, width: side)
        for y in -reach...reach {
            for x in -reach...reach where Double(x * x + y * y) <= radius * radius {
                mask.values[(y + reach) * side + x + reach] = 1
            }
        }
        let area = mask.values.reduce(0, +)
        mask.update { $0 / area }
        mask = mask.blurred(GaussianKernel(deviation: softness, reach: smoothing), .mirror)
        return mask.values.enumerated().compactMap { index, weight in
            weight == 0 ? nil : Tap(down: index / side - reach, right: index % side - reach, weight: weight)
        }
    }
}

/// The weights of a Gaussian along one axis.
struct GaussianKernel: Sendable {
    /// From the middle outwards on both sides; an odd number.
    let weights: [Float]

    /// Out to `cutOff` deviations, rounded.
    init(deviation: Double, cutOff: Double) {
        self.init(deviation: deviation, reach: Int(cutOff * deviation + 0.5))
    }

    /// Out to `reach` pixels on both sides.
    init(deviation: Double, reach: Int) {
        let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
        // Without a width it is the middle alone.
        guard reach > 0, deviation > 0 else {
            self.weights = [1]
            return
        }
        let sum = weights.reduce(0, +)
        self.weights = weights.map { Float($0 / sum) }
    }

    /// The weights by their distance from the middle, for a line of `count` pixels.
    ///
    /// Mirrored at its edges, a line repeats itself, so that the weights of a Gaussian much wider than the line can be
    /// added up where they meet the same pixel.
    func taps(count: Int, _ border: Border) -> [(distance: Int, weight: Float)] {
        let reach = weights.count / 2
        let period = 2 * count
        guard border == .reflect, weights.count > period else {
            return zip(-reach...reach, weights).map { ($0, $1) }
        }
        var sums = [Float](repeating: 0, count: period)
        for (distance, weight) in zip(-reach...reach, weights) {
            sums[((distance + count) % period + period) % period] += weight
        }
        return sums.enumerated().map { ($0 - count, $1) }
    }
}

extension Plane {
    /// Each pixel takes the value of one that is at most `shift` away, from the last pixel to the first; the one it took it
    /// from keeps it. The scripts of the data sets mean to swap the two but do this.
    ///
    /// - Parameter units: Random numbers in 0..<1, two for each pixel and round; not all of them are used.
    mutating func scatter(shift: Int, rounds: Int, units: [Float]) {
        let (height, width) = (height, width)
        values.withUnsafeMutableBufferPointer { values in
            units.withUnsafeBufferPointer { units in
                var used = 0
                for _ in 0..<rounds {
                    for row in stride(from: height - shift, to: shift, by: -1) {
                        for column in stride(from: width - shift, to: shift, by: -1) {
                            let right = Int(Double(units[used]) * Double(2 * shift)) - shift
                            let down = Int(Double(units[used + 1]) * Double(2 * shift)) - shift
                            used += 2
                            values[row * width + column] = values[(row + down) * width + column + right]
                        }
                    }
                }
            }
        }
    }

    /// The same Gaussian along the columns, then along the rows.
    func blurred(_ kernel: GaussianKernel, _ border: Border) -> Plane {
        if kernel.weights.count == 1 { return self }
        return weighted(kernel.taps(count: height, border).map { Tap(down: $0, right: 0, weight: $1) }, border)
            .weighted(kernel.taps(count: width, border).map { Tap(down: 0, right: $0, weight: $1) }, border)
    }
}
