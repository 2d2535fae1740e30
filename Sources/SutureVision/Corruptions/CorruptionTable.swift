/// How much of each corruption: for each profile the numbers of severities 1 to 5.
///
/// The numbers are those of the scripts that made CIFAR-10-C, Tiny-ImageNet-C and ImageNet-C (Hendrycks & Dietterich
/// 2019). Lengths are in pixels, amounts of light in parts of the full range.
enum CorruptionTable {
    struct Row<Amount: Sendable>: Sendable {
        let cifar, tiny, imagenet: [Amount]

        /// The amount at the severity and in the profile of a corruption.
        subscript(_ corruption: Corruption) -> Amount {
            let amounts =
                switch corruption.profile {
                case .cifar: cifar
                case .tiny: tiny
                case .imagenet: imagenet
                }
            return amounts[corruption.severity - 1]
        }
    }

    // MARK: Noise

    /// Standard deviation.
    static let gaussianNoise = Row<Float>(
        cifar: [0.04, 0.06, 0.08, 0.09, 0.1],
        tiny: [0.04, 0.08, 0.12, 0.15, 0.18],
        imagenet: [0.08, 0.12, 0.18, 0.26, 0.38])

    /// How many photons a white pixel has.
    static let shotNoise = Row<Double>(
        cifar: [500, 250, 100, 75, 50],
        tiny: [250, 100, 50, 30, 15],
        imagenet: [60, 25, 12, 5, 3])

    /// The share of values that are replaced.
    static let impulseNoise = Row<Double>(
        cifar: [0.01, 0.02, 0.03, 0.05, 0.07],
        tiny: [0.01, 0.02, 0.05, 0.08, 0.14],
        imagenet: [0.03, 0.06, 0.09, 0.17, 0.27])

    /// Standard deviation in parts of the value.
    static let speckleNoise = Row<Float>(
        cifar: [0.06, 0.1, 0.12, 0.16, 0.2],
        tiny: [0.15, 0.2, 0.25, 0.3, 0.35],
        imagenet: [0.15, 0.2, 0.35, 0.45, 0.6])

    // MARK: Blur

    /// Radius of the disc, and deviation of the Gaussian that softens its edge.
    static let defocusBlur = Row<(radius: Double, softness: Double)>(
        cifar: [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
        tiny: [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
        imagenet: [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)])

    /// Deviation of the Gaussian, how far a pixel may be moved, and how often all are.
    static let glassBlur = Row<(deviation: Double, shift: Int, rounds: Int)>(
        cifar: [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
        tiny: [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)],
        imagenet: [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)])

    /// Half the length of the line, and the deviation of the weights along it.
    static let motionBlur = Row<(radius: Int, deviation: Double)>(
        cifar: [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
        tiny: [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
        imagenet: [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)])

    /// How many zoomed images are averaged, and by how much each is larger than the one before; the first is not zoomed.
    static let zoomBlur = Row<(count: Int, step: Double)>(
        cifar: [(7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)],
        tiny: [(7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)],
        imagenet: [(12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)])

    /// Deviation of the Gaussian.
    static let gaussianBlur = Row<Double>(
        cifar: [0.4, 0.6, 0.7, 0.8, 1],
        tiny: [0.5, 0.75, 1, 1.25, 1.5],
        imagenet: [1, 2, 3, 4, 6])

    // MARK: Weather

    /// The flakes: noise of this mean and deviation, zoomed, dark below a threshold, moved along a line. The rest: how much
    /// of the image is not whitened.
    struct Snow: Sendable {
        let mean, deviation: Float
        let zoom: Double
        let threshold: Float
        let radius: Int
        let lineDeviation: Double
        let kept: Float

        init(
            _ mean: Float, _ deviation: Float, zoom: Double, threshold: Float, line: (radius: Int, deviation: Double),
            kept: Float
        ) {
            (self.mean, self.deviation, self.zoom, self.threshold) = (mean, deviation, zoom, threshold)
            (radius, lineDeviation, self.kept) = (line.radius, line.deviation, kept)
        }
    }

    static let snow = Row<Snow>(
        cifar: [
            Snow(0.1, 0.2, zoom: 1, threshold: 0.6, line: (8, 3), kept: 0.95),
            Snow(0.1, 0.2, zoom: 1, threshold: 0.5, line: (10, 4), kept: 0.9),
            Snow(0.15, 0.3, zoom: 1.75, threshold: 0.55, line: (10, 4), kept: 0.9),
            Snow(0.25, 0.3, zoom: 2.25, threshold: 0.6, line: (12, 6), kept: 0.85),
            Snow(0.3, 0.3, zoom: 1.25, threshold: 0.65, line: (14, 12), kept: 0.8)
        ],
        tiny: [
            Snow(0.1, 0.2, zoom: 1, threshold: 0.6, line: (8, 3), kept: 0.8),
            Snow(0.1, 0.2, zoom: 1, threshold: 0.5, line: (10, 4), kept: 0.8),
            Snow(0.15, 0.3, zoom: 1.75, threshold: 0.55, line: (10, 4), kept: 0.7),
            Snow(0.25, 0.3, zoom: 2.25, threshold: 0.6, line: (12, 6), kept: 0.65),
            Snow(0.3, 0.3, zoom: 1.25, threshold: 0.65, line: (14, 12), kept: 0.6)
        ],
        imagenet: [
            Snow(0.1, 0.3, zoom: 3, threshold: 0.5, line: (10, 4), kept: 0.8),
            Snow(0.2, 0.3, zoom: 2, threshold: 0.5, line: (12, 4), kept: 0.7),
            Snow(0.55, 0.3, zoom: 4, threshold: 0.9, line: (12, 8), kept: 0.7),
            Snow(0.55, 0.3, zoom: 4.5, threshold: 0.85, line: (12, 8), kept: 0.65),
            Snow(0.55, 0.3, zoom: 2.5, threshold: 0.85, line: (12, 12), kept: 0.55)
        ])

    /// Weight of the image and weight of the frost.
    static let frost = Row<(image: Float, frost: Float)>(
        cifar: [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
        tiny: [(1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)],
        imagenet: [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)])

    /// How much fog is added, and by how much its roughness falls from one scale to the next finer one.
    static let fog = Row<(amount: Float, decay: Float)>(
        cifar: [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
        tiny: [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)],
        imagenet: [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)])

    /// What is added to the value (of hue, saturation, value).
    static let brightness = Row<Float>(
        cifar: [0.05, 0.1, 0.15, 0.2, 0.3],
        tiny: [0.1, 0.2, 0.3, 0.4, 0.5],
        imagenet: [0.1, 0.2, 0.3, 0.4, 0.5])

    /// The drops: noise of this mean and deviation, blurred, dark below a threshold, and how much of them is seen.
    struct Spatter: Sendable {
        let mean, deviation: Float
        let blur: Double
        let threshold: Float
        /// Water: how bright it is. Mud: the deviation of its blur.
        let strength: Double
        let isMud: Bool

        init(
            _ mean: Float, _ deviation: Float, blur: Double, threshold: Float, water: Double? = nil, mud: Double? = nil
        ) {
            (self.mean, self.deviation, self.blur, self.threshold) = (mean, deviation, blur, threshold)
            (strength, isMud) = (water ?? mud ?? 0, mud != nil)
        }
    }

    static let spatter = Row<Spatter>(
        cifar: [
            Spatter(0.62, 0.1, blur: 0.7, threshold: 0.7, water: 0.5),
            Spatter(0.65, 0.1, blur: 0.8, threshold: 0.7, water: 0.5),
            Spatter(0.65, 0.3, blur: 1, threshold: 0.69, water: 0.5),
            Spatter(0.65, 0.1, blur: 0.7, threshold: 0.69, mud: 0.6),
            Spatter(0.65, 0.1, blur: 0.5, threshold: 0.68, mud: 0.6)
        ],
        tiny: [
            Spatter(0.62, 0.1, blur: 0.7, threshold: 0.7, water: 0.6),
            Spatter(0.65, 0.1, blur: 0.8, threshold: 0.7, water: 0.6),
            Spatter(0.65, 0.3, blur: 1, threshold: 0.69, water: 0.6),
            Spatter(0.65, 0.1, blur: 0.7, threshold: 0.68, mud: 0.6),
            Spatter(0.65, 0.1, blur: 0.5, threshold: 0.67, mud: 0.6)
        ],
        imagenet: [
            Spatter(0.65, 0.3, blur: 4, threshold: 0.69, water: 0.6),
            Spatter(0.65, 0.3, blur: 3, threshold: 0.68, water: 0.6),
            Spatter(0.65, 0.3, blur: 2, threshold: 0.68, water: 0.5),
            Spatter(0.65, 0.3, blur: 1, threshold: 0.65, mud: 1.5),
            Spatter(0.67, 0.4, blur: 1, threshold: 0.65, mud: 1.5)
        ])

    // MARK: Digital

    /// What the distance from the mean is multiplied by.
    static let contrast = Row<Float>(
        cifar: [0.75, 0.5, 0.4, 0.3, 0.15],
        tiny: [0.4, 0.3, 0.2, 0.1, 0.05],
        imagenet: [0.4, 0.3, 0.2, 0.1, 0.05])

    /// The size of the displacements, the deviation of the Gaussian that smooths them, and how far the corners of the
    /// affine map may be moved.
    static let elasticTransform = Row<(displacement: Float, smoothness: Double, jitter: Float)>(
        cifar: [(0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)],
        tiny: [(0, 0, 5.12), (3.2, 19.2, 3.84), (6.4, 5.12, 3.84), (6.4, 1.92, 1.92), (10.24, 1.92, 1.28)],
        // Made for images of 244 pixels, a slip that its authors know of.
        imagenet: [(488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)]
    )

    /// The share of rows and columns that is left.
    static let pixelate = Row<Double>(
        cifar: [0.95, 0.9, 0.85, 0.75, 0.65],
        tiny: [0.9, 0.8, 0.7, 0.6, 0.5],
        imagenet: [0.6, 0.5, 0.4, 0.3, 0.25])

    /// The quality setting of libjpeg.
    static let jpegCompression = Row<Int>(
        cifar: [80, 65, 58, 50, 40],
        tiny: [65, 58, 50, 40, 25],
        imagenet: [25, 18, 15, 10, 7])

    /// What the saturation is multiplied by, and what is added to it then.
    static let saturate = Row<(factor: Float, summand: Float)>(
        cifar: [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
        tiny: [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
        imagenet: [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)])
}
