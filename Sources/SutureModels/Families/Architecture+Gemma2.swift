import SutureFormats

extension Architecture {
    /// Gemma 2: Gemma with norms of what attention and MLP write, bounded scores, and a window in every second layer.
    static func gemma2(_ config: JSONField) throws -> Architecture {
        var architecture = try gemma2Like(config, family: "gemma2")
        architecture.windowedLayers =
            try windowedLayers(config, of: architecture.layers) ?? Set(stride(from: 0, to: architecture.layers, by: 2))
        architecture.attentionCap = try config.cap("attn_logit_softcapping", default: 50)
        architecture.logitCap = try config.cap("final_logit_softcapping", default: 30)
        return architecture
    }

    /// What the second and third versions have in common.
    static func gemma2Like(
        _ config: JSONField, family: String, positions: Positions? = nil
    ) throws -> Architecture {
        var architecture = try gemmaLike(config, family: family, positions: positions)
        architecture.queryScale = 1 / (try config.factor("query_pre_attn_scalar", default: 256)).squareRoot()
        architecture.tensors.attentionOutNorm = "layers.{}.post_attention_layernorm"
        architecture.tensors.mlpNorm = "layers.{}.pre_feedforward_layernorm"
        architecture.tensors.mlpOutNorm = "layers.{}.post_feedforward_layernorm"
        return architecture
    }
}

extension JSONField {
    /// The bound of some scores: none where `null` is said.
    func cap(_ key: ByteString, default value: Double?) throws -> Double? {
        try object[key] == nil ? value : optional(key)?.number(in: 1e-3...1e9)
    }
}
