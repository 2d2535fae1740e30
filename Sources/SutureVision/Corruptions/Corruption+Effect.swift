extension Corruption {
    /// What is done to each image; all that no image changes is made ready here.
    func effect() throws -> Effect {
        typealias Table = CorruptionTable
        switch kind {
        case .gaussianNoise: return NoiseCorruptions.gaussian(deviation: Table.gaussianNoise[self])
        case .shotNoise: return NoiseCorruptions.shot(photons: Table.shotNoise[self])
        case .impulseNoise: return NoiseCorruptions.impulse(share: Table.impulseNoise[self])
        case .speckleNoise: return NoiseCorruptions.speckle(deviation: Table.speckleNoise[self])
        case .defocusBlur:
            let (radius, softness) = Table.defocusBlur[self]
            return BlurCorruptions.defocus(radius: radius, softness: softness)
        case .gaussianBlur: return BlurCorruptions.gaussian(deviation: Table.gaussianBlur[self])
        case .fog:
            let (amount, decay) = Table.fog[self]
            return WeatherCorruptions.fog(amount: amount, decay: decay)
        case .brightness: return WeatherCorruptions.brightness(summand: Table.brightness[self])
        case .contrast: return DigitalCorruptions.contrast(factor: Table.contrast[self])
        case .saturate:
            let (factor, summand) = Table.saturate[self]
            return DigitalCorruptions.saturate(factor: factor, summand: summand)
        case .pixelate: return DigitalCorruptions.pixelate(share: Table.pixelate[self])
        default: throw VisionError(.badRequest, "this corruption is not there yet", subject: kind.rawValue)
        }
    }
}
