import SutureFormats

extension Patch {
    /// The same change as a patch of another model: with the digests and the originals of that.
    ///
    /// This is the explicit way to put a patch on a model that it was not made for. Whether it does there what it did is
    /// another question; the new patch has another id, names this one, and carries none of its results. Where the other
    /// model's vocabulary has another length, the change is that of the rows which both have.
    ///
    /// - Throws: ``PatchError`` for a tensor that the other model lacks, or has in another shape.
    public func transferred(to checkpoint: Checkpoint) throws -> Patch {
        let writer = EditWriter(spool: try SpoolFile())
        let changes = try edits.compactMap { change -> Edit? in
            guard let expected = base[ByteString(change.tensor)], let found = checkpoint[change.tensor],
                expected.shape != found.shape
            else { return Edit(tensor: change.tensor, scale: change.scale, change.delta) }
            if vocabularyDifference(change.tensor, checkpoint) != nil {
                return try change.cut(from: expected.shape, to: found, of: checkpoint, writer)
            }
            throw PatchError(
                .wrongBase, "the model has this tensor in another shape", subject: change.tensor,
                expected: "\(expected.shape)", found: "\(found.shape)")
        }
        let options: JSON = ["of": JSON(id), "method": JSON(method.name)]
        return try Patch(changes, of: checkpoint, method: Method(name: "transfer", options: options, seed: method.seed))
    }

    /// What of the vocabulary stays as it is when this is transferred to a model, one line for each tensor.
    public func rowsLeftOut(on checkpoint: Checkpoint) -> [String] {
        base.compactMap { vocabularyDifference($0.key.string, checkpoint) }
    }

    private func vocabularyDifference(_ name: String, _ checkpoint: Checkpoint) -> String? {
        guard let expected = base[ByteString(name)], let found = checkpoint[name] else { return nil }
        return Checkpoint.vocabularyDifference(name, expected.shape, found.shape)
    }
}

extension Edit {
    /// The same change of those rows that a tensor of another length has too; nil if it changes none of them.
    fileprivate func cut(
        from shape: [Int], to tensor: Checkpoint.Tensor, of checkpoint: Checkpoint, _ writer: EditWriter
    ) throws -> Edit? {
        let (bytes, width) = (try checkpoint.pieces(of: tensor), tensor.type.width)
        let common = 0..<shape.reduce(1, *)
        return try writer.edit(of: tensor.name, type: tensor.type, shape: tensor.shape) { range in
            var sums = [Double](repeating: 0, count: range.count)
            let known = range.clamped(to: common)
            if !known.isEmpty {
                try sums.withUnsafeMutableBufferPointer { sums in
                    let sums = UnsafeMutableBufferPointer(rebasing: sums[..<known.count])
                    try delta.add(scale, of: known, shape: shape, to: sums)
                }
            }
            return sums.map { Float($0) }
        } original: {
            try bytes.bytes($0.lowerBound * width..<$0.upperBound * width)
        }
    }
}
