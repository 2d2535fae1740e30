import Foundation
import SutureFormats

/// How queries and keys are turned by their positions (arXiv 2104.09864).
public struct RotaryPositions: Sendable, Equatable {
    /// Radians a position, one for each pair of channels. The channels behind those pairs are left alone.
    public var frequencies: [Double]
    public var pairing = Pairing.halves
    /// What cosines and sines are multiplied with.
    public var scale = 1.0
    /// The most positions for which this holds; nil where it holds for all.
    public var reach: Int?

    /// Which two of 2n channels are rotated together.
    public enum Pairing: Sendable {
        /// i and n + i, as in Llama.
        case halves
        /// 2i and 2i + 1, as in GPT-J.
        case neighbors
    }

    /// theta^(-2i/w) for the w/2 pairs of `width` channels.
    init(width: Int, theta: Double, _ pairing: Pairing = .halves, subject: String) throws {
        guard width > 0, width % 2 == 0, width <= 1 << 16 else {
            throw ModelError(
                .unsupported, "rotary positions need an even number of channels", subject: subject, found: "\(width)")
        }
        frequencies = stride(from: 0, to: width, by: 2).map { pow(theta, -Double($0) / Double(width)) }
        self.pairing = pairing
    }
}

// MARK: - Settings

extension RotaryPositions {
    /// The settings of a family: the names of those outside of `rope_parameters`, and what absent ones are.
    struct Defaults {
        var theta = 10_000.0
        var thetaKey: ByteString = "rope_theta"
        /// The share of a head's channels that is rotated; nil in families that have no setting for it.
        var share: Double?
        var shareKey: ByteString = "partial_rotary_factor"
    }

    /// Reads `rope_scaling`, or `rope_parameters` where it is absent: this is transformers' order.
    init(_ config: JSONField, headWidth: Int, _ defaults: Defaults = Defaults()) throws {
        let settings = try Self.settings(config)
        let theta =
            try (settings?.optional("rope_theta") ?? config.optional(defaults.thetaKey))?.number(in: 1...1e30)
            ?? defaults.theta
        let share = try settings?.optional("partial_rotary_factor") ?? config.optional(defaults.shareKey)
        if defaults.share == nil, let share, try share.double != 1 {
            throw ModelError(
                .unsupported, "in this family all channels of a head are rotated", subject: share.path, expected: "1",
                found: "\(try share.double)")
        }
        let width = Int(Double(headWidth) * (try share?.number(in: 0...1) ?? defaults.share ?? 1))
        try self.init(settings, width: width, theta: theta, config)
    }

    /// The object that describes them, if there is one that says something.
    static func settings(_ config: JSONField) throws -> JSONField? {
        for key: ByteString in ["rope_scaling", "rope_parameters"] {
            guard let field = try config.optional(key), try !field.object.isEmpty else { continue }
            for (name, value) in try field.object {
                guard case .object = value else { continue }
                throw ModelError(
                    .unsupported, "rotary positions by kind of layer are not supported in this family",
                    subject: "\(field.path).\(name)")
            }
            return field
        }
        return nil
    }

    /// Frequencies for `width` channels, changed as `settings` ask; each rule computes what transformers does.
    init(_ settings: JSONField?, width: Int, theta: Double, _ config: JSONField) throws {
        try self.init(width: width, theta: theta, subject: config.path)
        guard let settings else { return }
        let family = config.value["model_type"]?.stringValue
        var type = try (settings.optional("rope_type") ?? settings.optional("type"))?.string ?? "default"
        // Phi-3's first configurations have other names for it.
        if family == "phi3", type == "su" || type == "yarn" { type = "longrope" }
        switch type {
        case "default": break
        case "dynamic":
            // Frequencies change only behind the last position of the configuration, where no prompt gets.
            _ = try settings.require("factor").number(in: Self.positive)
        case "linear":
            let factor = try settings.require("factor").number(in: Self.positive)
            frequencies = frequencies.map { $0 / factor }
        case "llama3": try scaleAsLlama3(settings, trained: Self.trained(settings, config))
        case "yarn": try scaleAsYarn(settings, config, theta: theta)
        case "longrope": try scaleAsLongRope(settings, config)
        default:
            throw ModelError(
                .unsupported, "this scaling of rotary positions is not supported", subject: settings.path,
                expected: "default, linear, dynamic, llama3, yarn or longrope", found: type)
        }
    }
}

// MARK: - Rules of scaling

extension RotaryPositions {
    private static let positive = 1e-6...1e9

    /// The positions that a model was trained on before it was scaled.
    private static func trained(_ settings: JSONField, _ config: JSONField) throws -> Double {
        let key: ByteString = "original_max_position_embeddings"
        let isPhi3 = config.value["model_type"]?.stringValue == "phi3"
        // The one outside counts first.
        if let outside = try config.optionalSize(key) ?? (isPhi3 ? 4096 : settings.optionalSize(key)) {
            return Double(outside)
        }
        return Double(try config.size("max_position_embeddings"))
    }

    /// High frequencies stay, low ones are divided by the factor, those in between are blended.
    private mutating func scaleAsLlama3(_ settings: JSONField, trained: Double) throws {
        let factor = try settings.require("factor").number(in: Self.positive)
        let low = try settings.require("low_freq_factor").number(in: Self.positive)
        let high = try settings.require("high_freq_factor").number(in: Self.positive)
        guard low < high else {
            throw ModelError(
                .unsupported, "the factors of low and high frequencies are in the wrong order",
                subject: settings.path, expected: "low_freq_factor below \(high)", found: "\(low)")
        }
        frequencies = frequencies.map { frequency -> Double in
            let wavelength = 2 * Double.pi / frequency
            if wavelength < trained / high { return frequency }
            if wavelength > trained / low { return frequency / factor }
            let blend = (trained / wavelength - low) / (high - low)
            return (1 - blend) * frequency / factor + blend * frequency
        }
    }

    /// YaRN (arXiv 2309.00071): a ramp over the pairs between frequencies that stay and those that are divided; cosines
    /// and sines grow with the factor.
    private mutating func scaleAsYarn(_ settings: JSONField, _ config: JSONField, theta: Double) throws {
        let trained = try Self.trained(settings, config)
        // It must be there, but may be null.
        let given = try settings.object["factor"] == nil ? settings.require("factor") : settings.optional("factor")
        let factor =
            try given?.number(in: Self.positive) ?? Double(config.size("max_position_embeddings")) / trained
        let width = 2 * frequencies.count
        func nonzero(_ key: ByteString) throws -> Double? {
            guard let value = try settings.optional(key)?.number(in: 0...1e9), value != 0 else { return nil }
            return value
        }
        func edge(_ rotations: Double) -> Double {
            Double(width) * log(trained / (rotations * 2 * .pi)) / (2 * log(theta))
        }
        guard theta > 1 else {
            throw ModelError(
                .unsupported, "this scaling needs a base above 1", subject: settings.path, found: "\(theta)")
        }
        var (low, high) = (edge(try nonzero("beta_fast") ?? 32), edge(try nonzero("beta_slow") ?? 1))
        if try settings.object["truncate"] == nil || settings.require("truncate").bool {
            (low, high) = (low.rounded(.down), high.rounded(.up))
        }
        (low, high) = (max(low, 0), min(high, Double(width - 1)))
        if low == high { high += 0.001 }
        frequencies = frequencies.enumerated().map { index, frequency in
            let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
            return frequency / factor * ramp + frequency * (1 - ramp)
        }
        func growth(_ weight: Double) -> Double { factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1 }
        if let given = try settings.optional("attention_factor") {
            scale = try given.number(in: Self.positive)
        } else if let weight = try nonzero("mscale"), let all = try nonzero("mscale_all_dim") {
            scale = growth(weight) / growth(all)
        } else {
            scale = growth(1)
        }
    }

    /// LongRoPE (arXiv 2402.13753): a divisor for each pair. Others hold for prompts longer than the model was trained on;
    /// those are refused, because a text that grows across that length would have to be read again.
    private mutating func scaleAsLongRope(_ settings: JSONField, _ config: JSONField) throws {
        let trained = try Self.trained(settings, config)
        func divisors(_ key: ByteString) throws -> [Double] {
            let field = try settings.require(key)
            let values = try field.array.map { try $0.number(in: Self.positive) }
            guard values.count == frequencies.count else {
                throw ModelError(
                    .unsupported, "there must be a factor for each pair of channels", subject: field.path,
                    expected: "\(frequencies.count)", found: "\(values.count)")
            }
            return values
        }
        let (short, long) = (try divisors("short_factor"), try divisors("long_factor"))
        if short != long { reach = Int(trained) }
        frequencies = zip(frequencies, short).map { $0 / $1 }
        if let given = try settings.optional("attention_factor") {
            scale = try given.number(in: Self.positive)
            return
        }
        let factor =
            try settings.optional("factor")?.number(in: Self.positive)
            ?? Double(config.size("max_position_embeddings")) / trained
        scale = factor <= 1 ? 1 : (1 + log(factor) / log(trained)).squareRoot()
    }
}
