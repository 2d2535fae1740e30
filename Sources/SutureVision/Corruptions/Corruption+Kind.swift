extension Corruption {
    /// What is done to an image, in the order of the paper; the last four are its extra ones.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case gaussianNoise = "gaussian_noise"
        case shotNoise = "shot_noise"
        case impulseNoise = "impulse_noise"
        case defocusBlur = "defocus_blur"
        case glassBlur = "glass_blur"
        case motionBlur = "motion_blur"
        case zoomBlur = "zoom_blur"
        case snow
        case frost
        case fog
        case brightness
        case contrast
        case elasticTransform = "elastic_transform"
        case pixelate
        case jpegCompression = "jpeg_compression"
        case speckleNoise = "speckle_noise"
        case gaussianBlur = "gaussian_blur"
        case spatter
        case saturate

        /// The family that the paper counts it to.
        public var group: Group {
            switch self {
            case .gaussianNoise, .shotNoise, .impulseNoise, .speckleNoise: .noise
            case .defocusBlur, .glassBlur, .motionBlur, .zoomBlur, .gaussianBlur: .blur
            case .snow, .frost, .fog, .brightness, .spatter: .weather
            case .contrast, .elasticTransform, .pixelate, .jpegCompression, .saturate: .digital
            }
        }

        /// Whether it is one of the four that are not among the 15 of the mean corruption error.
        public var isExtra: Bool {
            switch self {
            case .speckleNoise, .gaussianBlur, .spatter, .saturate: true
            default: false
            }
        }
    }

    /// A family of corruptions.
    public enum Group: String, Sendable, Hashable, Codable, CaseIterable {
        case noise, blur, weather, digital
    }
}
