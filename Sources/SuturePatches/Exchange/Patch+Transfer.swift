import SutureFormats

extension Patch {
    /// The same change as a patch of another model: with the digests and the originals of that.
    ///
    /// This is the explicit way to put a patch on a model that it was not made for. Whether it does there what it did is
    /// another question; the new patch has another id, names this one, and carries none of its results.
    ///
    /// - Throws: ``PatchError`` for a tensor that the other model lacks, or has in another shape.
    public func transferred(to checkpoint: Checkpoint) throws -> Patch {
        let changes = edits.map { Edit(tensor: $0.tensor, scale: $0.scale, $0.delta) }
        for change in changes {
            guard let expected = base[ByteString(change.tensor)], let found = checkpoint[change.tensor],
                expected.shape != found.shape
            else { continue }
            throw PatchError(
                .wrongBase, "the model has this tensor in another shape", subject: change.tensor,
                expected: "\(expected.shape)", found: "\(found.shape)")
        }
        let options: JSON = ["of": JSON(id), "method": JSON(method.name)]
        return try Patch(changes, of: checkpoint, method: Method(name: "transfer", options: options, seed: method.seed))
    }
}
