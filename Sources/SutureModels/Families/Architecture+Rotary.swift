import Foundation
import SutureFormats

extension Architecture.Positions {
    /// Rotary positions with the frequencies theta^(-2i/w), changed as `rope_scaling` (or `rope_parameters`) asks.
    ///
    /// Of a head's channels the first w are rotated: all, or in families with a setting for it the share that it says, else
    /// `partial`. The `llama3` rule leaves high frequencies alone, divides low ones by the factor and blends in between (Llama 3.1's release; the
    /// same as in transformers).
    static func rotary(_ config: JSONField, headWidth: Int, partial: Double? = nil) throws -> Self {
        let (new, old) = (try config.optional("rope_parameters"), try config.optional("rope_scaling"))
        if let new, let old, new.value != old.value {
            throw ModelError(
                .unsupported, "rope_parameters and rope_scaling differ", subject: config.path,
                hint: "remove the one that is a leftover")
        }
        let scaling = new ?? old
        let theta =
            try
            (scaling?.optional("rope_theta") ?? config.optional("rope_theta")
            ?? config.optional("rotary_emb_base"))?.number(in: 1...1e30) ?? 10_000
        let width = try rotatedWidth(config, scaling, headWidth: headWidth, partial: partial)
        let frequencies = try frequencies(width, theta: theta, subject: config.path)
        guard let scaling else { return .rotary(frequencies: frequencies, .halves) }

        let type = try (scaling.optional("rope_type") ?? scaling.optional("type"))?.string ?? "default"
        let positive = 1e-6...1e9
        switch type {
        case "default":
            return .rotary(frequencies: frequencies, .halves)
        case "linear":
            let factor = try scaling.require("factor").number(in: positive)
            return .rotary(frequencies: frequencies.map { $0 / factor }, .halves)
        case "llama3":
            let factor = try scaling.require("factor").number(in: positive)
            let low = try scaling.require("low_freq_factor").number(in: positive)
            let high = try scaling.require("high_freq_factor").number(in: positive)
            let trained = Double(try scaling.size("original_max_position_embeddings"))
            guard low < high else {
                throw ModelError(
                    .unsupported, "the factors of low and high frequencies are in the wrong order",
                    subject: scaling.path, expected: "low_freq_factor below \(high)", found: "\(low)")
            }
            let scaled = frequencies.map { frequency -> Double in
                let wavelength = 2 * Double.pi / frequency
                if wavelength < trained / high { return frequency }
                if wavelength > trained / low { return frequency / factor }
                let blend = (trained / wavelength - low) / (high - low)
                return (1 - blend) * frequency / factor + blend * frequency
            }
            return .rotary(frequencies: scaled, .halves)
        default:
            throw ModelError(
                .unsupported, "this scaling of rotary positions is not supported", subject: scaling.path,
                expected: "default, linear or llama3", found: type)
        }
    }

    /// How many of a head's channels are rotated: all of them in families that have no setting for it.
    private static func rotatedWidth(
        _ config: JSONField, _ scaling: JSONField?, headWidth: Int, partial: Double?
    ) throws -> Int {
        let field =
            try scaling?.optional("partial_rotary_factor") ?? config.optional("partial_rotary_factor")
            ?? config.optional("rotary_pct")
        guard let partial else {
            guard try field.map({ try $0.double == 1 }) ?? true else {
                throw ModelError(
                    .unsupported, "in this family all channels of a head are rotated",
                    subject: field?.path ?? config.path, expected: "1", found: try field.map { "\(try $0.double)" })
            }
            return headWidth
        }
        return Int(Double(headWidth) * (try field?.number(in: 0...1) ?? partial))
    }

    /// theta^(-2i/w) for the w/2 pairs of `width` channels.
    static func frequencies(_ width: Int, theta: Double, subject: String) throws -> [Double] {
        guard width > 0, width % 2 == 0, width <= 1 << 16 else {
            throw ModelError(
                .unsupported, "rotary positions need an even number of channels", subject: subject, found: "\(width)")
        }
        return stride(from: 0, to: width, by: 2).map { pow(theta, -Double($0) / Double(width)) }
    }
}
