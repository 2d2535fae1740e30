import SutureFormats

extension Checkpoint {
    /// Throws for a change of embeddings that are the head as well: adapters of other software would change one of the two.
    func refuseTied(_ tensor: String) throws {
        guard Checkpoint.isEmbedding(tensor), !tensor.hasSuffix("wpe.weight") else { return }
        let isStored = try hasOwnHead()
        guard !isStored else { return }
        throw PatchError(
            .notLowRank, "these embeddings are the model's head as well, of which an adapter changes only one",
            subject: tensor, hint: "apply the patch instead")
    }
}
