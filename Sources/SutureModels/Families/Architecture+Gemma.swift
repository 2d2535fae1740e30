import SutureFormats

extension Architecture {
    /// Gemma: Llama with larger embeddings, gains that are stored less one, and a head that is the embedding table.
    static func gemma(_ config: JSONField) throws -> Architecture {
        var architecture = try gemmaLike(config, family: "gemma")
        // The first configurations say "gelu" where its approximation is meant.
        if architecture.activation == .gelu { architecture.activation = .geluTanh }
        if try config.optional("hidden_activation") != nil {
            let other = try config.activation("hidden_activation", default: .geluTanh)
            guard other == architecture.activation else {
                throw ModelError(
                    .unsupported, "two activations are named", subject: "\(config.path): hidden_activation",
                    expected: architecture.activation.rawValue, found: other.rawValue)
            }
        }
        return architecture
    }

    /// What all versions of Gemma have of their own.
    static func gemmaLike(_ config: JSONField, family: String, positions: Positions? = nil) throws -> Architecture {
        try config.requireVariant("use_bidirectional_attention", false)
        var architecture = try llama(config, family: family, positions: positions)
        architecture.embeddingScale = Double(architecture.width).squareRoot()
        architecture.gainOffset = 1
        return architecture
    }
}
