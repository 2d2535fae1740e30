import SutureFormats

extension Architecture {
    /// Gemma 3, the text model: Gemma 2 with norms of queries and keys, and other positions in the layers with a window.
    static func gemma3(_ config: JSONField) throws -> Architecture {
        // Positions are read below, for each kind of layer.
        var architecture = try gemma2Like(config, family: "gemma3_text", positions: .learned)
        let layers = architecture.layers
        let pattern = try config.size("sliding_window_pattern", default: 6)
        architecture.windowedLayers =
            try windowedLayers(config, of: layers) ?? Set((0..<layers).filter { ($0 + 1) % pattern != 0 })
        // transformers reads `attn_logit_softcapping` and does not use it.
        architecture.logitCap = try config.cap("final_logit_softcapping", default: nil)
        architecture.tensors.queryNorm = "layers.{}.self_attn.q_norm"
        architecture.tensors.keyNorm = "layers.{}.self_attn.k_norm"

        let parameters = try config.optional("rope_parameters")
        let full = try config.optional("rope_scaling") ?? parameters?.optional("full_attention")
        func rotary(_ settings: JSONField?, _ key: ByteString, _ theta: Double) throws -> Positions {
            let named = try parameters?.optional(
                key == "rope_theta" ? "full_attention" : "sliding_attention")?.optional("rope_theta")
            let base = try (settings?.optional("rope_theta") ?? named ?? config.optional(key))?.number(in: 1...1e30)
            return .rotary(
                try RotaryPositions(settings, width: architecture.headWidth, theta: base ?? theta, config))
        }
        architecture.positions = try rotary(full, "rope_theta", 1_000_000)
        architecture.windowedPositions = try rotary(
            parameters?.optional("sliding_attention"), "rope_local_base_freq", 10_000)
        return architecture
    }
}
