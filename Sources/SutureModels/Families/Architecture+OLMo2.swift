import SutureFormats

extension Architecture {
    /// OLMo 2: Llama with norms of what attention and MLP write instead of what they read, and of all queries and keys
    /// together.
    static func olmo2(_ config: JSONField) throws -> Architecture {
        var architecture = try llama(config, family: "olmo2")
        architecture.normsHeadsTogether = true
        architecture.tensors.attentionNorm = nil
        architecture.tensors.mlpNorm = nil
        architecture.tensors.attentionOutNorm = "layers.{}.post_attention_layernorm"
        architecture.tensors.mlpOutNorm = "layers.{}.post_feedforward_layernorm"
        architecture.tensors.queryNorm = "layers.{}.self_attn.q_norm"
        architecture.tensors.keyNorm = "layers.{}.self_attn.k_norm"
        return architecture
    }
}
