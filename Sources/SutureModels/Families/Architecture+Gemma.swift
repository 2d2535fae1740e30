import SutureFormats

extension Architecture {
    /// Gemma: Llama with larger embeddings, gains that are stored less one, and a head that is the embedding table.
    ///
    /// Its second and third versions norm what attention and MLP write, and are families of their own.
    static func gemma(_ config: JSONField) throws -> Architecture {
        try config.requireVariant("use_bidirectional_attention", false)
        var architecture = try llama(config, family: "gemma")
        architecture.embeddingScale = Double(architecture.width).squareRoot()
        architecture.gainOffset = 1
        // The first configurations say "gelu" where its approximation is meant.
        if architecture.activation == .gelu { architecture.activation = .geluTanh }
        if try config.optional("hidden_activation") != nil {
            let other = try config.activation("hidden_activation")
            guard other == architecture.activation else {
                throw ModelError(
                    .unsupported, "two activations are named", subject: "\(config.path): hidden_activation",
                    expected: architecture.activation.rawValue, found: other.rawValue)
            }
        }
        architecture.tiedHead = try config.bool("tie_word_embeddings", default: true)
        return architecture
    }
}
