import Foundation

extension GGUFTranslation {
    /// Rotary positions as llama.cpp has them: what has a factor but no type is scaled linearly, and tensors of divisors
    /// come on top.
    static func rotary(_ settings: inout GGUFSettings, _ sizes: GGUFSizes) throws -> JSON.Members {
        let rotated = try settings.optionalSize("rope.dimension_count") ?? sizes.headWidth
        if settings.family.rotary == .whole { try settings.require("rope.dimension_count", sizes.headWidth) }
        let theta = JSON(shortest(try settings.optionalNumber("rope.freq_base") ?? 10_000))
        var rope: JSON.Members = [("rope_theta", theta)]
        var members: JSON.Members = []
        if settings.family.rotary == .part {
            let share = JSON(Self.share(rotated, of: sizes.headWidth))
            rope.append(("partial_rotary_factor", share))
            members.append(("partial_rotary_factor", share))
        }
        rope += try scaling(&settings, sizes, pairs: rotated / 2, theta: theta.doubleValue ?? 10_000)
        if settings.family.modelType == "gemma3_text" {
            let local = JSON(shortest(try settings.optionalNumber("rope.freq_base_swa") ?? 10_000))
            let kinds: JSON = [
                "full_attention": JSON(members: rope),
                "sliding_attention": ["rope_type": "default", "rope_theta": local]
            ]
            return members + [("rope_theta", theta), ("rope_local_base_freq", local), ("rope_parameters", kinds)]
        }
        return members + [("rope_theta", theta), ("rope_parameters", JSON(members: rope))]
    }

    /// The share of which transformers makes as many channels again.
    private static func share(_ rotated: Int, of width: Int) -> Double {
        let share = Double(rotated) / Double(width)
        return Int(Double(width) * share) == rotated ? share : share.nextUp
    }

    private static func scaling(
        _ settings: inout GGUFSettings, _ sizes: GGUFSizes, pairs: Int, theta: Double
    ) throws -> JSON.Members {
        let old = try settings.optionalNumber("rope.scale_linear")
        let type = try settings.optionalText("rope.scaling.type") ?? "linear"
        var factor = try settings.optionalNumber("rope.scaling.factor") ?? old ?? 1
        if type == "none" { factor = 1 }
        guard ["none", "linear", "yarn", "longrope"].contains(type) else {
            throw FormatError(
                .unsupportedModel, "this scaling of rotary positions is not supported",
                subject: "\(settings.file.file.name): \(settings.family.name).rope.scaling.type",
                expected: "none, linear, yarn or longrope", found: type)
        }
        let attention = try settings.optionalNumber("rope.scaling.attn_factor") ?? 1
        let trained = try settings.optionalSize("rope.scaling.original_context_length") ?? sizes.context
        let divisors = try Divisors(settings.file, pairs: pairs)
        if type == "yarn" {
            guard divisors == nil else {
                throw settings.unfit("rope.scaling.type", "no yarn beside tensors of divisors")
            }
            return try yarn(&settings, factor, attention, trained)
        }
        guard let divisors else {
            guard type != "longrope" else {
                throw FormatError(
                    .missingTensor, "the divisors of the rotary positions are missing",
                    subject: settings.file.file.name,
                    expected: "rope_factors_short.weight and rope_factors_long.weight")
            }
            if attention == 1 {
                if factor == 1 { return [("rope_type", "default")] }
                return [("rope_type", "linear"), ("factor", JSON(shortest(factor)))]
            }
            let all = [Double](repeating: factor, count: pairs)
            return longRope(Divisors(short: all, long: all), attention, sizes.context)
        }
        if factor == 1, attention == 1, divisors.isNeutral { return [("rope_type", "default")] }
        if factor == 1, attention == 1, let rule = divisors.llama3(theta: theta) { return rule }
        return longRope(
            divisors.multiplied(by: factor), attention, divisors.short == divisors.long ? sizes.context : trained)
    }

    private static func yarn(
        _ settings: inout GGUFSettings, _ factor: Double, _ attention: Double, _ trained: Int
    ) throws -> JSON.Members {
        var rope: JSON.Members = [
            ("rope_type", "yarn"), ("factor", JSON(shortest(factor))),
            ("original_max_position_embeddings", JSON(trained))
        ]
        for key in ["beta_fast", "beta_slow"] {
            guard let value = try settings.optionalNumber("rope.scaling.yarn_\(key)") else { continue }
            rope.append((ByteString(key), JSON(shortest(value))))
        }
        if attention != 1 {
            rope.append(("attention_factor", JSON(attention * (factor <= 1 ? 1 : 0.1 * log(factor) + 1))))
        }
        return rope
    }

    private static func longRope(_ divisors: Divisors, _ attention: Double, _ trained: Int) -> JSON.Members {
        [
            ("rope_type", "longrope"), ("short_factor", .array(divisors.short.map { JSON(shortest($0)) })),
            ("long_factor", .array(divisors.long.map { JSON(shortest($0)) })),
            ("original_max_position_embeddings", JSON(trained)), ("attention_factor", JSON(shortest(attention)))
        ]
    }

    /// What the frequencies of the pairs of channels are divided by: `rope_freqs`, or one list for short texts and one
    /// for long ones.
    private struct Divisors: Equatable {
        var short, long: [Double]

        var isNeutral: Bool { (short + long).allSatisfy { $0 == 1 } }

        init(short: [Double], long: [Double]) { (self.short, self.long) = (short, long) }

        init?(_ file: GGUFFile, pairs: Int) throws {
            func read(_ name: String) throws -> [Double]? {
                guard let tensor = file[name] else { return nil }
                let subject = "\(file.file.name): \(name)"
                guard tensor.shape == [pairs] else {
                    throw FormatError(
                        .sizeMismatch, "there must be a divisor for each pair of channels", subject: subject,
                        expected: "[\(pairs)]", found: "\(tensor.shape)")
                }
                let values = try file.dequantize(tensor).map(Double.init)
                guard values.allSatisfy({ $0 > 0 && $0.isFinite }) else {
                    throw FormatError(
                        .malformedMetadata, "divisors of rotary positions are out of range", subject: subject,
                        expected: "numbers above 0")
                }
                return values
            }
            if let all = try read("rope_freqs.weight") {
                (short, long) = (all, all)
            } else if let short = try read("rope_factors_short.weight"), let long = try read("rope_factors_long.weight")
            {
                (self.short, self.long) = (short, long)
            } else {
                return nil
            }
        }

        func multiplied(by factor: Double) -> Divisors {
            Divisors(short: short.map { $0 * factor }, long: long.map { $0 * factor })
        }

        /// The rule of Llama 3.1 and later, if these are its numbers.
        func llama3(theta: Double) -> JSON.Members? {
            guard short == long, let factor = short.max(), factor > 1 else { return nil }
            let (low, high, trained) = (1.0, 4.0, 8192.0)
            for (index, found) in short.enumerated() {
                let wavelength = 2 * Double.pi * pow(theta, Double(2 * index) / Double(2 * short.count))
                let blend = (trained / wavelength - low) / (high - low)
                let expected =
                    wavelength < trained / high
                    ? 1 : wavelength > trained / low ? factor : 1 / ((1 - blend) / factor + blend)
                guard abs(found - expected) <= 1e-6 * expected else { return nil }
            }
            return [
                ("rope_type", "llama3"), ("factor", JSON(shortest(factor))), ("low_freq_factor", 1.0),
                ("high_freq_factor", 4.0), ("original_max_position_embeddings", 8192)
            ]
        }
    }

    /// Tensors that say something of positions and are no weights.
    static let rotaryTensors: Set<ByteString> = [
        "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"
    ]
}
