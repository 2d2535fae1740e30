extension Corruption {
    /// What is done to each image of this size; all that is the same for all of them is made ready here.
    func effect(height: Int, width: Int, frost textures: [Picture] = []) throws -> Effect {
        typealias Table = CorruptionTable
        switch kind {
        case .gaussianNoise: return NoiseCorruptions.gaussian(deviation: Table.gaussianNoise[self])
        case .shotNoise: return NoiseCorruptions.shot(photons: Table.shotNoise[self])
        case .impulseNoise: return NoiseCorruptions.impulse(share: Table.impulseNoise[self])
        case .speckleNoise: return NoiseCorruptions.speckle(deviation: Table.speckleNoise[self])
        case .defocusBlur:
            let (radius, softness) = Table.defocusBlur[self]
            return BlurCorruptions.defocus(radius: radius, softness: softness)
        case .glassBlur:
            let (deviation, shift, rounds) = Table.glassBlur[self]
            return BlurCorruptions.glass(deviation: deviation, shift: shift, rounds: rounds)
        case .motionBlur:
            let (radius, deviation) = Table.motionBlur[self]
            return BlurCorruptions.motion(radius: radius, deviation: deviation)
        case .zoomBlur:
            let (count, step) = Table.zoomBlur[self]
            return BlurCorruptions.zoom(count: count, step: step, height: height, width: width)
        case .gaussianBlur: return BlurCorruptions.gaussian(deviation: Table.gaussianBlur[self])
        case .snow: return WeatherCorruptions.snow(Table.snow[self], height: height, width: width)
        case .frost:
            let (weight, frost) = Table.frost[self]
            let textures = try textures.map { try FrostTexture($0, for: profile, height: height, width: width) }
            return WeatherCorruptions.frost(
                image: weight, frost: frost, textures.isEmpty ? FrostTexture.made(for: profile) : textures)
        case .fog:
            let (amount, decay) = Table.fog[self]
            return WeatherCorruptions.fog(amount: amount, decay: decay)
        case .brightness: return WeatherCorruptions.brightness(summand: Table.brightness[self])
        case .spatter: return SpatterCorruption.effect(Table.spatter[self])
        case .contrast: return DigitalCorruptions.contrast(factor: Table.contrast[self])
        case .elasticTransform:
            let (displacement, smoothness, jitter) = Table.elasticTransform[self]
            return DigitalCorruptions.elastic(displacement: displacement, smoothness: smoothness, jitter: jitter)
        case .pixelate:
            return DigitalCorruptions.pixelate(share: Table.pixelate[self], height: height, width: width)
        case .jpegCompression: return DigitalCorruptions.jpeg(quality: Table.jpegCompression[self])
        case .saturate:
            let (factor, summand) = Table.saturate[self]
            return DigitalCorruptions.saturate(factor: factor, summand: summand)
        }
    }
}
