import SutureFormats

/// How two models call the same tensors: published snapshots of one model have a prefix or none.
struct TensorNaming {
    private let removed, added: String

    /// Names of the first model as the second has them.
    func second(_ name: String) -> String { Self.change(name, removed, added) }

    /// Names of the second model as the first has them.
    func first(_ name: String) -> String { Self.change(name, added, removed) }

    private static func change(_ name: String, _ removed: String, _ added: String) -> String {
        if removed == added || !removed.isEmpty && !name.hasPrefix(removed) { return name }
        // The head stands beside the model.
        if removed.isEmpty, name.hasPrefix("lm_head.") || name.hasPrefix("embed_out.") { return name }
        return added + name.dropFirst(removed.count)
    }

    init(_ first: Checkpoint, _ second: Checkpoint) {
        func prefix(_ model: Checkpoint) -> String {
            let embedding = model.tensors.first {
                Checkpoint.isEmbedding($0.name) && !$0.name.hasSuffix("wpe.weight")
            }
            let found = ["transformer.", "model.", "gpt_neox."].first { embedding?.name.hasPrefix($0) == true }
            return found ?? ""
        }
        (removed, added) = (prefix(first), prefix(second))
    }
}
