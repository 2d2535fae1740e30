import SutureFormats

extension Architecture {
    /// Qwen3: Llama with a norm on each head's queries and keys.
    static func qwen3(_ config: JSONField) throws -> Architecture {
        var architecture = try llama(config, family: "qwen3")
        architecture.tensors.queryNorm = "layers.{}.self_attn.q_norm"
        architecture.tensors.keyNorm = "layers.{}.self_attn.k_norm"
        return architecture
    }
}
