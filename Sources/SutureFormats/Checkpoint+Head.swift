extension Checkpoint {
    /// Whether a tensor is a table of token embeddings, by its name.
    public static func isEmbedding(_ name: String) -> Bool {
        ["embed_tokens.weight", "wte.weight", "embed_in.weight", "wpe.weight"].contains {
            name == $0 || name.hasSuffix("." + $0)
        }
    }

    /// Whether a tensor has a row or a number for each token: embeddings, the head and its bias, by their names.
    public static func isOfVocabulary(_ name: String) -> Bool {
        isEmbedding(name) && !name.hasSuffix("wpe.weight") || heads.contains(name) || name == "lm_head.bias"
    }

    /// The names of the head in all families.
    public static let heads = ["lm_head.weight", "embed_out.weight"]

    /// The head, where it is stored, and the table of token embeddings beside it.
    private var storedHead: (head: Tensor, embeddings: Tensor)? {
        guard let head = Self.heads.lazy.compactMap({ self[$0] }).first,
            let embeddings = tensors.first(where: { Self.isEmbedding($0.name) && !$0.name.hasSuffix("wpe.weight") })
        else { return nil }
        return (head, embeddings)
    }

    /// The names of a stored head that is equal to the token embeddings, and of these: such a head is the embeddings
    /// once more, whatever the configuration says.
    public func copiedHead() throws -> (head: String, embeddings: String)? {
        guard let (head, embeddings) = storedHead, head.type == embeddings.type, head.shape == embeddings.shape else {
            return nil
        }
        let (first, second) = (try pieces(of: head), try pieces(of: embeddings))
        for start in stride(from: 0, to: first.count, by: TensorBytes.chunkSize) {
            let range = start..<min(start + TensorBytes.chunkSize, first.count)
            if try first.bytes(range) != second.bytes(range) { return nil }
        }
        return (head.name, embeddings.name)
    }

    /// Whether a stored head is another matrix than the token embeddings: it counts then, whatever the configuration
    /// says, as in transformers from version 5.
    public func hasOwnHead() throws -> Bool { try storedHead != nil && copiedHead() == nil }
}
