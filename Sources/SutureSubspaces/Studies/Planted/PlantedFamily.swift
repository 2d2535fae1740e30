extension PlantedModel {
    /// A family of networks, half of them with an illusory direction.
    public struct Family: Sendable {
        /// What makes it easy or hard.
        public enum Kind: String, Sendable, Codable, CaseIterable {
            /// Illusory: the feature passes around the layer, which writes next to nothing of it.
            case around = "the feature passes around the layer"
            /// Illusory: the layer mediates the feature, but the direction writes it by what is silent otherwise.
            case beside = "the layer mediates, the direction does not"
            /// As `around`; faithful layers write little of their classes' difference, which lies mostly in the kernel.
            case spread = "faithful features lie mostly in the kernel"
            /// As `beside`, and the layer writes a few directions only, so that row parts are much alike.
            case narrow = "the layer writes two to four directions"
        }

        public var kind: Kind
        /// Thresholds are calibrated on one half of the families and judged on the other: other widths, another activation
        /// and other ranges of everything.
        public var isCalibration: Bool

        /// A family of networks, for calibration or for tests.
        public init(_ kind: Kind, isCalibration: Bool) {
            self.kind = kind
            self.isCalibration = isCalibration
        }

        /// All families of one half.
        public static func all(isCalibration: Bool) -> [Family] {
            Kind.allCases.map { Family($0, isCalibration: isCalibration) }
        }

        /// Widths of the stream and of the hidden layer.
        var widths: [(d: Int, m: Int)] {
            isCalibration ? [(12, 36), (16, 64), (24, 72)] : [(10, 40), (20, 60), (32, 96), (32, 160)]
        }
        var isGELU: Bool { !isCalibration }
        /// The deviation of the inputs' noise; the feature has length 2.
        var noise: ClosedRange<Double> { isCalibration ? 0.2...0.8 : 0.1...1.0 }
        /// How much noise is in the direction.
        var disturbance: ClosedRange<Double> { isCalibration ? 0...0.5 : 0...0.6 }
        /// The cosine between the classes' difference and what is read for the output, in layers that pass the feature by.
        var leak: ClosedRange<Double> { isCalibration ? -0.05...0.1 : -0.1...0.15 }
        /// The same in layers that mediate it.
        var alignment: ClosedRange<Double> {
            switch kind {
            case .around: isCalibration ? 0.3...0.8 : 0.25...0.9
            case .spread: isCalibration ? 0.18...0.4 : 0.15...0.4
            case .beside, .narrow: isCalibration ? 0.3...0.6 : 0.25...0.6
            }
        }
        /// How much of the direction is what is written by, relative to what is read.
        func mix(isIllusory: Bool) -> ClosedRange<Double> {
            switch (kind, isIllusory) {
            case (_, true): 0.5...1.5
            case (.around, false): 0...1.5
            case (_, false): 0...0.5
            }
        }
        /// Whether the layers of illusory directions mediate the feature, in another way.
        var mediatesBeside: Bool { kind == .beside || kind == .narrow }
        /// The directions that a layer writes; nil for all.
        var ranks: ClosedRange<Int>? { kind == .narrow ? 2...4 : nil }
    }
}
