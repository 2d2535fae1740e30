import SutureFormats

extension Architecture {
    /// CodeGen: GPT-J with queries, values and keys, in this order, in each of four blocks of one tensor.
    ///
    /// The blocks are those of the four cores that the first checkpoints were trained on; all checkpoints keep them.
    static func codegen(_ config: JSONField) throws -> Architecture {
        var architecture = try gptj(config)
        let blocks = 4
        guard architecture.heads % blocks == 0 else {
            throw ModelError(
                .unsupported, "heads cannot be shared out", subject: config.path,
                expected: "a multiple of \(blocks)", found: "\(architecture.heads) heads")
        }
        let share = architecture.heads / blocks * architecture.headWidth
        func part(_ third: Int) -> TensorNames.Projection {
            TensorNames.Projection(
                tensor: "h.{}.attn.qkv_proj",
                part: TensorNames.Part(from: third * share, count: share, ofBlock: 3 * share))
        }
        architecture.family = "codegen"
        architecture.tensors.query = part(0)
        architecture.tensors.value = part(1)
        architecture.tensors.key = part(2)
        return architecture
    }
}
