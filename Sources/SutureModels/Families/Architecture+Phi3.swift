import SutureFormats

extension Architecture {
    /// Phi-3 and 4: Llama with one tensor for queries, keys and values, and one for the MLP's gate and up projections.
    static func phi3(_ config: JSONField) throws -> Architecture {
        var architecture = try llama(config, family: "phi3")
        let queries = architecture.heads * architecture.headWidth
        let keys = architecture.keyValueHeads * architecture.headWidth
        let hidden = architecture.hiddenWidth

        func part(_ name: String, from start: Int, count: Int, of block: Int) -> TensorNames.Projection {
            TensorNames.Projection(
                tensor: "layers.{}.\(name)", part: TensorNames.Part(from: start, count: count, ofBlock: block))
        }
        func attention(from start: Int, count: Int) -> TensorNames.Projection {
            part("self_attn.qkv_proj", from: start, count: count, of: queries + 2 * keys)
        }
        architecture.tensors.query = attention(from: 0, count: queries)
        architecture.tensors.key = attention(from: queries, count: keys)
        architecture.tensors.value = attention(from: queries + keys, count: keys)
        architecture.tensors.gate = part("mlp.gate_up_proj", from: 0, count: hidden, of: 2 * hidden)
        architecture.tensors.up = part("mlp.gate_up_proj", from: hidden, count: hidden, of: 2 * hidden)
        return architecture
    }
}
