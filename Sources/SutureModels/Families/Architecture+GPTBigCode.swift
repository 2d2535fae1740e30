import SutureFormats

extension Architecture {
    /// GPT-BigCode, as StarCoder and SantaCoder have it: GPT-2 with matrices stored as `[out, in]`, and one head of keys
    /// and values for all queries.
    ///
    /// The configuration can give each head keys and values of its own: then every head has a block of the fused tensor.
    static func gptBigCode(_ config: JSONField) throws -> Architecture {
        var architecture = try gpt2(config)
        let sharesKeys = try config.bool("multi_query", default: true)
        let (width, headWidth) = (architecture.width, architecture.headWidth)

        let queries = sharesKeys ? width : headWidth

        func projection(_ name: String, _ part: TensorNames.Part? = nil) -> TensorNames.Projection {
            TensorNames.Projection(tensor: "h.{}.\(name)", bias: true, part: part)
        }
        func attention(from start: Int, count: Int) -> TensorNames.Projection {
            projection(
                "attn.c_attn", TensorNames.Part(from: start, count: count, ofBlock: queries + 2 * headWidth))
        }
        architecture.family = "gpt_bigcode"
        architecture.keyValueHeads = sharesKeys ? 1 : architecture.heads
        architecture.tensors.query = attention(from: 0, count: queries)
        architecture.tensors.key = attention(from: queries, count: headWidth)
        architecture.tensors.value = attention(from: queries + headWidth, count: headWidth)
        architecture.tensors.output = projection("attn.c_proj")
        architecture.tensors.up = projection("mlp.c_fc")
        architecture.tensors.down = projection("mlp.c_proj")
        return architecture
    }
}
