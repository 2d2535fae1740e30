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
}

extension Plane {
    /// The same Gaussian along the columns, then along the rows.
    func blurred(_ kernel: GaussianKernel, _ border: Border) -> Plane {
        let reach = kernel.weights.count / 2
        if reach == 0 { return self }
        let taps = zip(-reach...reach, kernel.weights)
        return weighted(taps.map { Tap(down: $0, right: 0, weight: $1) }, border)
            .weighted(taps.map { Tap(down: 0, right: $0, weight: $1) }, border)
    }
}
