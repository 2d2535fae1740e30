import Foundation
import SutureFormats

extension Architecture.Positions {
    /// Rotary positions with the frequencies theta^(-2i/w), changed as `rope_scaling` (or `rope_parameters`) asks.
    ///
    /// Of a head's channels the first w = `share` of them are rotated, or as many as the configuration says. The `llama3`
    /// rule leaves high frequencies alone, divides low ones by the factor and blends in between (Llama 3.1's release; the
    /// same as in transformers).
    static func rotary(_ config: JSONField, headWidth: Int, share: Double = 1) throws -> Self {
        let scaling = try config.optional("rope_parameters") ?? config.optional("rope_scaling")
        let theta =
            try scaling?.optional("rope_theta")?.double ?? config.optional("rope_theta")?.double
            ?? config.double("rotary_emb_base", default: 10_000)
        let share =
            try scaling?.optional("partial_rotary_factor")?.double ?? config.optional("partial_rotary_factor")?.double
            ?? config.double("rotary_pct", default: share)
        guard (0...1).contains(share), headWidth <= 1 << 16 else {
            throw ModelError(
                .unsupported, "only a share of a head's channels can be rotated", subject: config.path,
                expected: "0...1 of at most \(1 << 16)", found: "\(share) of \(headWidth)")
        }
        let width = Int(Double(headWidth) * share)
        let frequencies = try frequencies(width, theta: theta, subject: config.path)
        guard let scaling else { return .rotary(frequencies: frequencies, .halves) }

        let type = try (scaling.optional("rope_type") ?? scaling.optional("type"))?.string ?? "default"
        switch type {
        case "default":
            return .rotary(frequencies: frequencies, .halves)
        case "linear":
            let factor = try scaling.require("factor").double
            return .rotary(frequencies: frequencies.map { $0 / factor }, .halves)
        case "llama3":
            let factor = try scaling.require("factor").double
            let low = try scaling.require("low_freq_factor").double
            let high = try scaling.require("high_freq_factor").double
            let trained = Double(try scaling.require("original_max_position_embeddings").int)
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

    /// theta^(-2i/w) for the w/2 pairs of `width` channels.
    static func frequencies(_ width: Int, theta: Double, subject: String) throws -> [Double] {
        guard width > 0, width % 2 == 0, theta > 0 else {
            throw ModelError(
                .unsupported, "rotary positions need an even number of channels", subject: subject, found: "\(width)")
        }
        return stride(from: 0, to: width, by: 2).map { pow(theta, -Double($0) / Double(width)) }
    }
}
