import SutureFormats

extension Architecture {
    /// Granite: Llama with factors for embeddings, attention, what is written to the stream, and the scores.
    static func granite(_ config: JSONField) throws -> Architecture {
        var architecture = try llama(config, family: "granite")
        architecture.embeddingScale = try config.factor("embedding_multiplier", default: 1)
        architecture.queryScale = try config.factor("attention_multiplier", default: 1)
        architecture.residualScale = try config.factor("residual_multiplier", default: 1)
        architecture.logitScale = 1 / (try config.factor("logits_scaling", default: 1))
        return architecture
    }
}
